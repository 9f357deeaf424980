// From an ASN.1 type, or a value of it, to one of its parts: by the names of parts and alternatives, 0 for the first item of a list.
import type { Type } from "../../ipa/asn1/schema.ts";

/** Throws when there is no such part. */
export function typeAt(type: Type<unknown>, at: readonly string[]): Type<unknown> {
  const { shape } = type;
  const [name, ...rest] = at;
  if (name === undefined) return type;
  switch (shape.kind) {
    case "tagged":
    case "signed":
      return typeAt(shape.inner, at);
    case "seq": {
      const field = shape.fields[name];
      if (field === undefined) throw none(type, at);
      return typeAt("optional" in field ? field.optional : "type" in field ? field.type : field, rest);
    }
    case "seqOf":
      if (name !== "0") throw none(type, at);
      return typeAt(shape.item, rest);
    case "choice": {
      const alternative = shape.alternatives[name];
      if (alternative === undefined) throw none(type, at);
      return typeAt(alternative, rest);
    }
    default:
      throw none(type, at);
  }
}

function none(type: Type<unknown>, at: readonly string[]): Error {
  return new Error(`no part ${at.join(".")} in a ${type.shape.kind}`);
}

/** Throws when the value has no such part, or another alternative. */
export function valueAt(type: Type<unknown>, value: unknown, at: readonly string[]): unknown {
  const { shape } = type;
  if (shape.kind === "tagged") return valueAt(shape.inner, value, at);
  if (shape.kind === "signed") return valueAt(shape.inner, (value as { value: unknown }).value, at);
  const [name, ...rest] = at;
  if (name === undefined) return value;
  const inner = typeAt(type, [name]);
  if (shape.kind === "choice") {
    const { kind, value: chosen } = value as { kind: string; value: unknown };
    if (kind !== name) throw new Error(`the alternative is ${kind}, not ${name}`);
    return valueAt(inner, chosen, rest);
  }
  // Parts that are optional or have a default are wrapped in the shape, not in the value.
  return valueAt(inner, (value as Readonly<Record<string, unknown>>)[name], rest);
}

/** Every named INTEGER in a type, with where it stands. */
export function namedIntegersIn(type: Type<unknown>, at: readonly string[] = []): { readonly names: object; readonly at: string }[] {
  const { shape } = type;
  switch (shape.kind) {
    case "namedInteger":
      return [{ names: shape.names, at: at.join(".") }];
    case "tagged":
    case "signed":
      return namedIntegersIn(shape.inner, at);
    case "seqOf":
      return namedIntegersIn(shape.item, [...at, "0"]);
    case "choice":
      return Object.entries(shape.alternatives).flatMap(([name, one]) => namedIntegersIn(one, [...at, name]));
    case "seq":
      return Object.entries(shape.fields).flatMap(([name, field]) =>
        namedIntegersIn("optional" in field ? field.optional : "type" in field ? field.type : field, [...at, name]),
      );
    default:
      return [];
  }
}
