// What may stand in the configuration, told from the schema that reads it: as rows for people, as JSON Schema for editors.
import { configSchema } from "./schema.ts";

export interface SettingRow {
  /** "eim.poll_interval_seconds", "apn[].name", "market.*.operators" */
  readonly path: string;
  readonly kind: string;
  readonly preset?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** What of valibot's schemas is looked at. */
interface Node {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly item?: Node;
  readonly value?: Node;
  readonly wrapped?: Node;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  readonly default?: unknown;
  readonly pipe?: readonly (Node & { readonly requirement?: unknown })[];
}

const limits: Readonly<Record<string, string>> = {
  min_value: "minimum",
  max_value: "maximum",
  min_length: "minLength",
  max_length: "maxLength",
};

function jsonOf(node: Node): Json {
  if (node.wrapped !== undefined) {
    const preset = typeof node.default === "function" ? undefined : node.default;
    return { ...jsonOf(node.wrapped), ...(preset === undefined ? {} : { default: preset }) };
  }
  const bounds: Record<string, unknown> = {};
  for (const step of node.pipe ?? []) {
    const name = limits[step.type];
    const isList = node.type === "array" && name !== undefined;
    if (name !== undefined) bounds[isList ? name.replace("Length", "Items") : name] = step.requirement;
    if (step.type === "integer") bounds.type = "integer";
    if (step.type === "regex" && step.requirement instanceof RegExp) bounds.pattern = step.requirement.source;
  }
  switch (node.type) {
    case "strict_object":
    case "object": {
      const entries = Object.entries(node.entries ?? {});
      const required = entries.filter(([, one]) => one.wrapped === undefined && !one.type.startsWith("optional")).map(([key]) => key);
      const properties = Object.fromEntries(entries.map(([key, one]) => [key, jsonOf(one)]));
      return { type: "object", properties, ...(required.length === 0 ? {} : { required }), additionalProperties: false };
    }
    case "record":
      return { type: "object", additionalProperties: node.value === undefined ? true : jsonOf(node.value) };
    case "array":
      return { type: "array", items: node.item === undefined ? {} : jsonOf(node.item), ...bounds };
    case "picklist":
      return { enum: node.options };
    case "literal":
      return { const: node.literal };
    case "union":
    case "variant":
      return { anyOf: (node.options as readonly Node[]).map(jsonOf) };
    case "string":
    case "number":
    case "boolean":
      return { type: node.type, ...bounds };
    default:
      return { ...bounds };
  }
}

/** Draft 2020-12. What settings ask of one another is not in it; simward config validate checks that too. */
export function configJsonSchema(): Json {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "simward/config-schema/1",
    schema: "simward/config-schema/1",
    title: "simward.toml",
    ...jsonOf(configSchema as unknown as Node),
  };
}

export function settingsOf(): readonly SettingRow[] {
  return rows(jsonOf(configSchema as unknown as Node), "");
}

function rows(json: Json, path: string): readonly SettingRow[] {
  const {
    properties,
    additionalProperties,
    items,
    default: preset,
  } = json as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly additionalProperties?: Json | boolean;
    readonly items?: Json;
    readonly default?: unknown;
  };
  if (properties !== undefined) return Object.entries(properties).flatMap(([key, one]) => rows(one, path === "" ? key : `${path}.${key}`));
  if (typeof additionalProperties === "object") return rows(additionalProperties, `${path}.*`);
  if (items?.properties !== undefined) return rows(items, `${path}[]`);
  return [{ path, kind: kindOf(json), ...(preset === undefined ? {} : { preset: JSON.stringify(preset) }) }];
}

function kindOf(json: Json): string {
  const {
    type,
    enum: choices,
    minimum,
    maximum,
    items,
    anyOf,
    const: only,
  } = json as {
    readonly type?: string;
    readonly enum?: readonly unknown[];
    readonly minimum?: number;
    readonly maximum?: number;
    readonly items?: Json;
    readonly anyOf?: readonly Json[];
    readonly const?: unknown;
  };
  if (choices !== undefined) return choices.join(" | ");
  if (only !== undefined) return JSON.stringify(only);
  if (anyOf !== undefined) return anyOf.map(kindOf).join(" | ");
  if (items !== undefined) return `list of ${kindOf(items)}`;
  if (minimum !== undefined && maximum !== undefined) return `${type} ${minimum} to ${maximum}`;
  return type ?? "any";
}
