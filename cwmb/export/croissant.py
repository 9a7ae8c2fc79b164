"""Croissant 1.1 metadata of the transitions, with the fields on responsible use (RAI 1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cwmb import __version__

if TYPE_CHECKING:
    from cwmb.export.hugging_face import Part

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# Columns of the Parquet files: type, whether a list, and what it is.
_COLUMNS = (
    ("environment", "sc:Text", False, "the environment's id"),
    ("episode", "sc:Integer", False, "the episode that the transition belongs to"),
    ("step", "sc:Integer", False, "its time step within the episode"),
    ("observation", "sc:Float", True, "the observation, as numbers"),
    ("action", "sc:Float", True, "the action, as numbers"),
    ("reward", "sc:Float", False, "the reward"),
    ("next_observation", "sc:Float", True, "the next observation"),
    ("terminated", "sc:Boolean", False, "whether the episode ended here"),
    ("truncated", "sc:Boolean", False, "whether its time limit was reached here"),
    ("determined", "sc:Boolean", True, "whether each part of the outcome follows from observation and action"),
)


def croissant(parts: Sequence[Part], description: str) -> dict[str, Any]:
    """The metadata (JSON-LD) of a data set's files, which lie beside it."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "cwmb_transitions",
        "description": description,
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "url": "https://arxiv.org/abs/2405.15383",
        "version": __version__,
        "datePublished": "2026-11-26",
        "creator": {"@type": "sc:Organization", "name": "The cwmb developers"},
        "citeAs": "The cwmb developers, the Code World Models Benchmark; after Dainese et al., NeurIPS 2024",
        "isLiveDataset": False,
        "rai:dataCollection": (
            "Simulated: policies from random to strong, and short episodes from chosen states, in Gymnasium's "
            "environments on pinned versions; the metadata of each episode names policy and seed."
        ),
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataUseCases": ["Scoring programs that predict environments", "Searching for such programs (train only)"],
        "rai:dataLimitations": (
            "The originals' source code is in the training data of language models, so a score on cwmb18 may be "
            "recall. Outcomes that an observation does not determine are marked, not left out."
        ),
        "rai:dataBiases": "There is what the policies visit; rare states are, on purpose, more frequent than in play.",
        "rai:personalSensitiveInformation": "None: nothing about people.",
        "rai:dataSocialImpact": "None is expected of transitions of games and simulated robots.",
        "rai:hasSyntheticData": True,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"{part.config}-{part.split}.parquet",
                "name": f"{part.config}-{part.split}.parquet",
                "contentUrl": part.path,
                "encodingFormat": "application/x-parquet",
                "sha256": part.sha256,
            }
            for part in parts
        ],
        "recordSet": [_records(part) for part in parts],
    }


def _records(part: Part) -> dict[str, Any]:
    name = f"{part.config}-{part.split}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The {part.split} transitions of suite {part.config}.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": says,
                "dataType": kind,
                **({"isArray": True, "arrayShape": "-1"} if is_list else {}),
                "source": {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": column}},
            }
            for column, kind, is_list, says in _COLUMNS
        ],
    }
