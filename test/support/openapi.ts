// The local API as documents, made from the route table and the types of its answers: docs/openapi.json and docs/schemas/. And one way to say that an
// answer is what its schema says, for all tests that get one.
import { toJsonSchema } from "@valibot/to-json-schema";
import { Ajv2020 } from "ajv/dist/2020.js";
import { createGenerator } from "ts-json-schema-generator";
import { expect } from "vitest";
import { codesByStatus } from "../../agent/api/http-status.ts";
import type { Route } from "../../agent/api/route.ts";
import { routes } from "../../agent/api/routes.ts";
import { type ErrorCode, errorTable } from "../../base/errors.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

/** Each object of a document, with its place, the outermost first. */
export function* objectsIn(value: unknown, at = ""): Iterable<readonly [at: string, object: JsonObject]> {
  if (isObject(value)) yield [at, value];
  if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) yield* objectsIn(inner, `${at}/${key}`);
}

function rewritten(value: Json, change: (object: JsonObject) => JsonObject): Json {
  if (Array.isArray(value)) return value.map((item) => rewritten(item, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(change(value)).map(([key, inner]) => [key, rewritten(inner, change)]));
}

const nameOf = (typeName: string): string => decodeURIComponent(typeName).replace(/[^A-Za-z0-9._-]+/g, "_");

export interface AnswerTypes {
  /** By the type's name; `$ref`s are "#/$defs/NAME". Closed: a field that the type has not is against it. */
  readonly definitions: JsonObject;
  /** The type's name by the schema id of the answer. */
  readonly byId: ReadonlyMap<string, string>;
}

let made: AnswerTypes | undefined;

/** The types of agent/api/*types.ts. */
export function answerTypes(): AnswerTypes {
  if (made !== undefined) return made;
  const generator = createGenerator({ path: "agent/api/*types.ts", tsconfig: "tsconfig.json", skipTypeCheck: true });
  const raw = generator.createSchema("*").definitions as unknown as JsonObject;
  const definitions = Object.fromEntries(
    Object.entries(raw).map(([name, schema]) => [
      nameOf(name),
      rewritten(schema, (object) =>
        typeof object.$ref === "string" ? { ...object, $ref: `#/$defs/${nameOf(object.$ref.replace("#/definitions/", ""))}` } : object,
      ),
    ]),
  );
  const byId = new Map<string, string>();
  for (const [name, schema] of Object.entries(definitions)) {
    const id = idOf(schema);
    if (id !== undefined) byId.set(id, name);
  }
  made = { definitions, byId };
  return made;
}

function idOf(schema: Json | undefined): string | undefined {
  if (!isObject(schema) || !isObject(schema.properties) || !isObject(schema.properties.schema)) return undefined;
  const { const: id } = schema.properties.schema;
  return typeof id === "string" ? id : undefined;
}

/** Readers must bear new fields. */
const opened = (schema: Json): Json =>
  rewritten(schema, (object) => {
    if (object.additionalProperties !== false) return object;
    const { additionalProperties: _closed, ...open } = object;
    return open;
  });

const validators = new Map<string, ReturnType<Ajv2020["compile"]>>();

/** Throws where the document is not what the type of its schema says; a field too many is wrong too. */
export function expectAnswer(document: unknown): void {
  const id = isObject(document) ? document.schema : undefined;
  if (typeof id !== "string") throw new Error(`an answer without a schema: ${JSON.stringify(document).slice(0, 200)}`);
  const { definitions, byId } = answerTypes();
  const name = byId.get(id);
  if (name === undefined) throw new Error(`no type of agent/api/*types.ts has schema: "${id}"`);
  const validate =
    validators.get(id) ?? new Ajv2020({ allErrors: true, strict: false }).compile({ $ref: `#/$defs/${name}`, $defs: definitions });
  validators.set(id, validate);
  const isRight = validate(document);
  expect(
    isRight ? [] : validate.errors?.map(({ instancePath, message, params }) => `${id}${instancePath} ${message} ${JSON.stringify(params)}`),
  ).toEqual([]);
}

/** What a schema says by means of others, these and theirs included. */
function closureOf(name: string, definitions: JsonObject): JsonObject {
  const out: Record<string, Json> = {};
  const add = (one: string): void => {
    const schema = definitions[one];
    if (schema === undefined || one in out) return;
    out[one] = schema;
    for (const [, { $ref }] of objectsIn(schema)) if (typeof $ref === "string") add($ref.replace("#/$defs/", ""));
  };
  add(name);
  return out;
}

/** By file name, "status-1.json". */
export function schemaFiles(): ReadonlyMap<string, JsonObject> {
  const { definitions, byId } = answerTypes();
  return new Map(
    [...byId].map(([id, name]) => [
      `${id.split("/").slice(1).join("-")}.json`,
      {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        title: id,
        $ref: `#/$defs/${name}`,
        $defs: opened(closureOf(name, definitions)),
      },
    ]),
  );
}

const inComponents = (schema: Json): Json =>
  rewritten(schema, (object) =>
    typeof object.$ref === "string" ? { ...object, $ref: object.$ref.replace("#/$defs/", "#/components/schemas/") } : object,
  );

const reasonParameter: Json = {
  name: "reason",
  in: "query",
  required: false,
  description: "Why, for the audit record of what is asked.",
  schema: { type: "string", minLength: 1, maxLength: 500 },
};

function inputSchema({ input }: Route): JsonObject {
  // What a function checks beyond the fields is told by the summary.
  const { $schema: _, ...schema } = toJsonSchema(input, { typeMode: "input", errorMode: "ignore" }) as JsonObject;
  return schema;
}

const tagOf = (path: string): string => (path.split("/")[2] ?? "").replace(/\.json$/, "");

function operationOf(route: Route): JsonObject {
  const { method, path, access, summary, answer, example } = route;
  const input = inputSchema(route);
  const fields = isObject(input.properties) ? input.properties : {};
  const required = Array.isArray(input.required) ? input.required : [];
  const given = new URLSearchParams(method === "GET" ? example : "");
  const parameters = Object.entries(fields).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
    ...(given.has(name) ? { example: given.get(name) } : {}),
  }));
  const name = answerTypes().byId.get(answer);
  const type = route.text?.contentType.split(";")[0] ?? (route.run === undefined ? "application/x-ndjson" : "application/json");
  const schema: Json =
    name !== undefined ? { $ref: `#/components/schemas/${name}` } : { type: type === "application/json" ? "object" : "string" };
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+(.)/g, (_all, letter: string) => letter.toUpperCase())}`,
    tags: [tagOf(path)],
    summary,
    "x-simward-access": access,
    ...(method === "GET"
      ? { parameters }
      : {
          parameters: [reasonParameter],
          requestBody: {
            required: required.length > 0,
            content: { "application/json": { schema: input, example: JSON.parse(example ?? "{}") } },
          },
        }),
    responses: {
      "200": { description: route.stream === undefined ? answer : `${answer}, a line each`, content: { [type]: { schema } } },
      ...Object.fromEntries([...statuses().keys()].map((status) => [String(status), { $ref: `#/components/responses/Error${status}` }])),
    },
  } as JsonObject;
}

/** Of connections too: a request that was not whole in time, headers that are too long. */
function statuses(): ReadonlyMap<number, readonly ErrorCode[]> {
  return new Map<number, readonly ErrorCode[]>(
    [...codesByStatus(), [408, ["DEADLINE"]] as const, [431, ["API_TOO_LARGE"]] as const].sort(([a], [b]) => a - b),
  );
}

function errorResponse(status: number, codes: readonly ErrorCode[]): JsonObject {
  const [code] = codes;
  if (code === undefined) throw new Error(`status ${status} has no code`);
  const { text, next, retry } = errorTable[code];
  return {
    description: codes.join(", "),
    ...(status === 429 || status === 503 || status === 409
      ? { headers: { "Retry-After": { description: "Seconds; where it is known.", schema: { type: "integer" } } } }
      : {}),
    content: {
      "application/json": {
        schema: {
          allOf: [
            { $ref: "#/components/schemas/ApiError" },
            { type: "object", properties: { error: { type: "object", properties: { code: { enum: codes } } } } },
          ],
        },
        example: { schema: "simward/error/1", error: { code, message: text, next, retry } },
      },
    },
  };
}

export function openapiDocument(): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
  return {
    openapi: "3.1.1",
    info: {
      title: "simward, the local API",
      version: "1",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description:
        "HTTP and JSON over UNIX sockets, one a role: viewer.sock, engineer.sock, admin.sock in /run/simward. `x-simward-access` names the least role. " +
        "See docs/api.md.",
    },
    servers: [{ url: "http://localhost", description: "by --unix-socket /run/simward/ROLE.sock" }],
    tags: [...new Set(routes.map(({ path }) => tagOf(path)))].map((name) => ({ name })),
    paths,
    components: {
      schemas: inComponents(opened(answerTypes().definitions)) as JsonObject,
      responses: Object.fromEntries([...statuses()].map(([status, codes]) => [`Error${status}`, errorResponse(status, codes)])),
    },
    "x-simward-errors": Object.fromEntries(
      [...codesByStatus()].flatMap(([status, codes]) =>
        codes.map((code) => [code, { status, retry: errorTable[code].retry, text: errorTable[code].text, next: errorTable[code].next }]),
      ),
    ),
  };
}
