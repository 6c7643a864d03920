"""The smallest sound payload of any message, made from its schema."""

from __future__ import annotations

from typing import Any

from bothways.adapters.ocpp.schemas import Version, schema

AT = "2026-03-01T12:00:00Z"


def smallest(version: Version, action: str, *, response: bool = False) -> dict[str, Any]:
    """Only what is required, with the first value allowed."""
    found = schema(version, action, response=response)
    if found is None:
        return {}
    made: dict[str, Any] = _made(found, found.get("definitions", {}))
    return made


def _made(node: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in node:
        return _made(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    if "enum" in node:
        return node["enum"][0]
    kind = node.get("type")
    if kind == "object":
        properties = node.get("properties", {})
        return {name: _made(properties[name], definitions) for name in node.get("required", ())}
    if kind == "array":
        return [_made(node["items"], definitions)] * max(1, node.get("minItems", 1))
    if kind == "integer":
        return int(max(1, node.get("minimum", 1)))
    if kind == "number":
        return min(1, node.get("maximum", 1))
    if kind == "boolean":
        return True
    return {"date-time": AT, "uri": "https://example.org/"}.get(node.get("format", ""), "1")
