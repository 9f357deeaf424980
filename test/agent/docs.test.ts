// The pages made from tables, docs/api.md and docs/cli.md, say what the tables say (UPDATE_DOCS=1 writes them anew), and their examples work.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEventHub } from "../../agent/api/events.ts";
import { codesByStatus } from "../../agent/api/http-status.ts";
import type { Route } from "../../agent/api/route.ts";
import { routes } from "../../agent/api/routes.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import { type ExitName, exitCodes, exitMeanings } from "../../agent/cli/exit.ts";
import { globalOptions } from "../../agent/cli/options.ts";
import { optionsOf } from "../../agent/cli/verb.ts";
import { loadVerbs } from "../../agent/cli/verbs/table.ts";
import { VirtualClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { answerTypes, expectAnswer, type JsonObject, objectsIn, openapiDocument, schemaFiles } from "../support/openapi.ts";
import { need, program } from "../support/programs.ts";
import { quietServices } from "../support/quiet-services.ts";

const verbs = await loadVerbs();

/** The part of a page between its marks must be this. */
function expectPart(file: string, mark: string, made: string): void {
  const text = readFileSync(file, "utf8");
  const [, before = "", , after = ""] =
    new RegExp(`^([\\s\\S]*<!-- ${mark}[^\\n]*-->\\n)([\\s\\S]*)(<!-- /${mark} -->[\\s\\S]*)$`).exec(text) ?? [];
  const wanted = `${before}${made}${after}`;
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, wanted);
  else expect(text, `${file} is not what its table says; UPDATE_DOCS=1 writes it`).toBe(wanted);
}

const curl = program("curl");
const socketDir = "/run/simward";

function curlLine({ method, path, access, example, stream }: Route): string {
  const socket = `--unix-socket ${socketDir}/${access}.sock`;
  if (method === "PUT") return `curl -sS -X PUT ${socket} -d '${example ?? "{}"}' http://localhost${path}`;
  if (method === "POST") return `curl -sS ${socket} -d '${example ?? "{}"}' http://localhost${path}`;
  return `curl -sS${stream === undefined ? "" : "N --max-time 10"} ${socket} 'http://localhost${path}${example === undefined ? "" : `?${example}`}'`;
}

describe("docs/api.md", () => {
  test("has every route of the table with an example", () => {
    const rows = routes.map(({ method, path, access, answer, summary, stream }) => {
      const what = stream === undefined ? `\`${answer}\`` : `\`${answer}\`, a line each`;
      return `| \`${method} ${path}\` | ${access} | ${what} | ${summary} |\n`;
    });
    const table = `| route | least role | answer | |\n|---|---|---|---|\n${rows.join("")}`;
    expectPart("docs/api.md", "routes", `${table}\n\`\`\`sh\n${routes.map((route) => `${curlLine(route)}\n`).join("")}\`\`\`\n`);
  });

  describe("its examples", () => {
    let dir = "";
    let server: ApiServer | undefined;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), "simward-docs-"));
      const hub = createEventHub({ clock: new VirtualClock() });
      hub.publish("step", {});
      server = await serveApi({ dir }, quietServices(hub), silentLog, { clock: new VirtualClock() });
    });
    afterAll(async () => {
      await server?.close();
      await rm(dir, { recursive: true, force: true });
    });

    for (const route of routes)
      test(`${route.method} ${route.path}`, async (context) => {
        need(context, curl);
        const line = curlLine(route).replace(socketDir, dir);
        // A stream goes on until its time is over: what it has said by then counts.
        const said = await new Promise<string>((resolve) => {
          const child = execFile("bash", ["-c", `exec ${line}`], (_error, stdout, stderr) => resolve(`${stdout}${stderr}`));
          if (route.stream !== undefined) child.stdout?.once("data", () => child.kill());
        });
        if (route.text !== undefined) return expect(said.startsWith(`{"schema":"simward/error/1"`)).toBe(false);
        const [first = "", ...more] = said.split("\n").filter((line) => line !== "");
        const ofLines = route.lines === undefined ? [first] : [first, ...more].filter((line) => line.includes('"schema"'));
        const answers = ofLines.map((line) => JSON.parse(line));
        for (const answer of answers) expectAnswer(answer);
        const ids = answers.map(({ schema }) => schema);
        if (route.lines === undefined || ids.length > 0) expect(ids).toContain(route.answer);
      });
  });
});

/** A document made by machine: as data it must be this; Biome lays it out. */
function expectDocument(file: string, made: JsonObject): void {
  if (process.env.UPDATE_DOCS !== undefined) {
    writeFileSync(file, JSON.stringify(made, null, 2));
    return;
  }
  const read = JSON.parse(existsSync(file) ? readFileSync(file, "utf8") : "null");
  expect(read, `${file} is not what routes and types say; UPDATE_DOCS=1 writes it`).toEqual(JSON.parse(JSON.stringify(made)));
}

describe("docs/openapi.json and docs/schemas/", () => {
  const document = openapiDocument();

  test("are what the route table and the types say", () => {
    const files = schemaFiles();
    if (process.env.UPDATE_DOCS !== undefined) {
      rmSync("docs/schemas", { recursive: true, force: true });
      mkdirSync("docs/schemas");
    }
    expectDocument("docs/openapi.json", document);
    for (const [name, schema] of files) expectDocument(`docs/schemas/${name}`, schema);
    if (process.env.UPDATE_DOCS !== undefined)
      execFileSync("node_modules/.bin/biome", ["format", "--write", "docs/openapi.json", "docs/schemas"], { stdio: "ignore" });
    expect(readdirSync("docs/schemas").sort()).toEqual([...files.keys()].sort());
  });

  test("every answer of a route has a type", () => {
    const { byId } = answerTypes();
    for (const { path, answer, text } of routes) if (text === undefined) expect([path, byId.has(answer)]).toEqual([path, true]);
  });

  test("no type says unknown where it can be told", () => {
    // What may stand there is another's: an event's facts, a log line's, a record's, a request's body, the configuration (a schema of its own).
    const open = [
      "/ApiEvent/additionalProperties",
      "/LogLine/properties/fields/additionalProperties",
      "/AuditLine/additionalProperties",
      "/DryRun/properties/body",
      "/ConfigDocument/properties/config",
    ];
    const vague = [...objectsIn(answerTypes().definitions)].flatMap(([at, { description: _, ...schema }]) => {
      const saysNothing = Object.keys(schema).length === 0 && !at.endsWith("/properties");
      const isAnyObject = schema.type === "object" && schema.properties === undefined && typeof schema.additionalProperties !== "object";
      return saysNothing || isAnyObject ? [at] : [];
    });
    expect(vague.filter((at) => !open.includes(at))).toEqual([]);
  });

  test("is OpenAPI 3.1: the parts that must be there are, every reference leads somewhere, every example fits its schema", () => {
    const validate = new Ajv2020({ allErrors: true, strict: false }).compile(openapiShape);
    expect(validate(document) ? [] : validate.errors).toEqual([]);
    const at = (pointer: string): unknown =>
      pointer
        .split("/")
        .slice(1)
        .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key.replaceAll("~1", "/")], document);
    let references = 0;
    let examples = 0;
    const ajv = new Ajv2020({ strict: false })
      .addSchema(document, "doc")
      .addFormat("date-time", /^\d{4}-\d\d-\d\dT/)
      .addFormat("uri", /:/)
      .addFormat("date", /^\d{4}-/);
    for (const [place, object] of objectsIn(document)) {
      if (typeof object.$ref === "string") {
        references++;
        expect(at(object.$ref.slice(1)), `${place}: ${object.$ref}`).toBeDefined();
      }
      // Of parameters and of media types; a schema's own property of that name has no schema beside it.
      if (object.example === undefined || object.schema === undefined || place.includes("/components/schemas/")) continue;
      examples++;
      const pointer = place
        .split("/")
        .slice(1)
        .map((part) => part.replaceAll("/", "~1"));
      const fits = ajv.compile(absolute(object.schema));
      expect(fits(object.example) ? [] : fits.errors, pointer.join(" ")).toEqual([]);
    }
    expect(references).toBeGreaterThan(500);
    expect(examples).toBeGreaterThan(30);
    const ids = [...objectsIn(document)].flatMap(([, { operationId }]) => (typeof operationId === "string" ? [operationId] : []));
    expect(new Set(ids).size).toBe(routes.length);
    expect(ids).toHaveLength(routes.length);
  });

  test("a document that is not right is caught", () => {
    expect(() => expectAnswer({ schema: "simward/version/1", version: "1" })).toThrow();
    expect(() => expectAnswer({ schema: "simward/nothing/1" })).toThrow("no type");
    const validate = new Ajv2020({ strict: false }).compile(openapiShape);
    for (const part of ["openapi", "info", "paths", "components"]) {
      const { [part]: _, ...less } = document;
      expect(validate(less), part).toBe(false);
    }
  });

  test("has every code with its status", () => {
    const table = document["x-simward-errors"] as Record<string, { readonly status: number }>;
    for (const [status, codes] of codesByStatus()) for (const code of codes) expect(table[code]?.status).toBe(status);
    expect(table).toMatchObject({
      API_RATE: { status: 429 },
      API_FORBIDDEN: { status: 403 },
      AT_TIMEOUT: { status: 504 },
      INTERNAL: { status: 500 },
    });
  });
});

/** References of the document, for a schema that is taken out of it. */
const absolute = (schema: unknown): object => JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"doc#/components'));

/** What OpenAPI 3.1 asks of the objects that the document uses (§4.8), as far as a schema can ask it. */
const openapiShape = {
  type: "object",
  required: ["openapi", "info", "paths", "components"],
  properties: {
    openapi: { pattern: "^3\\.1\\.\\d+$" },
    info: { type: "object", required: ["title", "version"] },
    servers: { type: "array", items: { type: "object", required: ["url"] } },
    tags: { type: "array", items: { type: "object", required: ["name"] } },
    paths: {
      type: "object",
      minProperties: 1,
      propertyNames: { pattern: "^/" },
      additionalProperties: {
        type: "object",
        minProperties: 1,
        propertyNames: { enum: ["get", "put", "post", "delete", "patch", "head", "options", "trace"] },
        additionalProperties: {
          type: "object",
          required: ["operationId", "responses"],
          properties: {
            operationId: { type: "string", pattern: "^[A-Za-z0-9]+$" },
            parameters: {
              type: "array",
              items: {
                type: "object",
                required: ["name", "in", "schema"],
                properties: { in: { enum: ["query", "header", "path", "cookie"] } },
              },
            },
            requestBody: { type: "object", required: ["content"], properties: { content: { $ref: "#/$defs/content" } } },
            responses: {
              type: "object",
              required: ["200"],
              propertyNames: { pattern: "^([1-5]\\d\\d|default)$" },
              additionalProperties: { $ref: "#/$defs/response" },
            },
          },
        },
      },
    },
    components: {
      type: "object",
      required: ["schemas", "responses"],
      properties: {
        schemas: { type: "object", propertyNames: { pattern: "^[A-Za-z0-9._-]+$" }, additionalProperties: { type: ["object", "boolean"] } },
        responses: {
          type: "object",
          propertyNames: { pattern: "^[A-Za-z0-9._-]+$" },
          additionalProperties: { $ref: "#/$defs/response" },
        },
      },
    },
  },
  patternProperties: { "^x-": {} },
  additionalProperties: false,
  $defs: {
    content: {
      type: "object",
      minProperties: 1,
      propertyNames: { pattern: "^[a-z]+/[a-z0-9.+-]+$" },
      additionalProperties: { type: "object" },
    },
    response: {
      oneOf: [
        { type: "object", required: ["$ref"], properties: { $ref: { pattern: "^#/components/responses/" } } },
        { type: "object", required: ["description"], not: { required: ["$ref"] }, properties: { content: { $ref: "#/$defs/content" } } },
      ],
    },
  },
};

describe("docs/cli.md", () => {
  test("has every verb of the table, every option and every exit code", () => {
    const option = (one: { readonly flags: string; readonly help: string; readonly default?: string }): string =>
      `| \`${one.flags}\` | ${one.help}${one.default === undefined ? "" : ` (${one.default} by default)`} |\n`;
    const table = (rows: readonly string[]): string => (rows.length === 0 ? "" : `\n| | |\n|---|---|\n${rows.join("")}`);
    const sections = verbs.map((verb) => {
      const { name, summary, example, args = [] } = verb;
      const options = optionsOf(verb);
      const usage = ["simward", name, ...args.map((arg) => (arg.optional === true ? `[${arg.name}]` : `<${arg.name}>`))].join(" ");
      const rows = [...args.map((arg) => `| \`${arg.name}\` | ${arg.help} |\n`), ...options.map(option)];
      return `### ${usage}\n\n${summary[0]?.toUpperCase()}${summary.slice(1)}.\n${table(rows)}\n\`\`\`sh\n${example}\n\`\`\`\n`;
    });
    expectPart("docs/cli.md", "verbs", `${sections.join("\n")}`);
    expectPart("docs/cli.md", "globals", `| | |\n|---|---|\n${globalOptions.map(option).join("")}`);
    const codes = Object.entries(exitCodes).map(([name, code]) => `| ${code} | ${exitMeanings[name as ExitName]} |\n`);
    expectPart("docs/cli.md", "exits", `| | |\n|---|---|\n${codes.join("")}`);
  });
});
