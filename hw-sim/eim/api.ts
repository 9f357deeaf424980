// The order API: HTTP on loopback, JSON in and out, for demos, tests and the command line. docs/hw-sim-api.md describes it.
import { toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer, jsonBody } from "../http/server.ts";
import { isObject } from "../smdp/json.ts";
import type { EimCore } from "./core.ts";
import type { Euicc, StoredItem } from "./euiccs.ts";
import { check, EuiccInput } from "./order-input.ts";
import type { Order } from "./orders.ts";

/** Who can be told to misbehave, by name: eim, and what else runs beside it (smdp, euicc …). */
export type FaultTargets = Readonly<
  Record<string, { readonly apply: (settings: unknown) => void | Promise<void>; readonly show: () => unknown }>
>;

interface Call {
  readonly core: EimCore;
  readonly faults: FaultTargets;
  readonly request: HttpRequest;
  /** EimConfigurationData, DER. */
  readonly configuration: () => Uint8Array;
  /** The path's last segment where the row has {id}. */
  readonly id: string;
}

interface Route {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly run: (call: Call) => HttpAnswer | Promise<HttpAnswer>;
}

const routes: readonly Route[] = [
  {
    method: "POST",
    path: "/v1/orders",
    run: ({ core, request }) => jsonAnswer(201, { orderId: core.takeOrder(jsonBody(request)).orderId }),
  },
  { method: "GET", path: "/v1/orders", run: ({ core }) => jsonAnswer(200, core.orders.all.map(orderView)) },
  { method: "GET", path: "/v1/orders/{id}", run: ({ core, id }) => found(`order ${id}`, core.orders.byId(id), orderView) },
  { method: "GET", path: "/v1/events", run: ({ core, request }) => events(core, request) },
  {
    method: "POST",
    path: "/v1/euiccs",
    run: ({ core, request }) => jsonAnswer(201, euiccView(core.setEuicc(check(EuiccInput, jsonBody(request), "euicc")))),
  },
  { method: "GET", path: "/v1/euiccs/{id}", run: ({ core, id }) => found(`eUICC ${id}`, core.euiccs.find(id), euiccView) },
  {
    method: "GET",
    path: "/v1/results",
    run: ({ core, request }) => jsonAnswer(200, core.results(request.query.get("eid") ?? undefined).map(itemView)),
  },
  {
    method: "GET",
    path: "/v1/notifications",
    run: ({ core, request }) => jsonAnswer(200, core.notifications(request.query.get("eid") ?? undefined).map(itemView)),
  },
  {
    method: "GET",
    path: "/v1/configuration",
    run: ({ configuration }) => jsonAnswer(200, { eimConfigurationData: toHexUpper(configuration()) }),
  },
  { method: "GET", path: "/v1/faults", run: ({ faults }) => jsonAnswer(200, showFaults(faults)) },
  { method: "POST", path: "/v1/faults", run: setFaults },
];

export async function answerApi(
  core: EimCore,
  faults: FaultTargets,
  request: HttpRequest,
  configuration: () => Uint8Array,
): Promise<HttpAnswer> {
  const match = (route: Route): string | undefined => {
    if (route.path === request.path) return "";
    const stem = route.path.endsWith("{id}") ? route.path.slice(0, -4) : undefined;
    const id = stem !== undefined && request.path.startsWith(stem) ? request.path.slice(stem.length) : "";
    return id !== "" && !id.includes("/") ? id : undefined;
  };
  const here = routes.filter((route) => match(route) !== undefined);
  const route = here.find(({ method }) => method === request.method);
  if (route === undefined) return noRoute(request, here);
  return route.run({ core, faults, request, configuration, id: match(route) ?? "" });
}

function noRoute({ method, path }: HttpRequest, here: readonly Route[]): HttpAnswer {
  const asked = `${method} ${path}`;
  if (here.length === 0) return errorAnswer(404, `${asked}: there are ${[...new Set(routes.map((route) => route.path))].join(", ")}`);
  const Allow = here.map((route) => route.method).join(", ");
  return errorAnswer(405, `${asked}: ${Allow} only`, { Allow });
}

/** An order as the API shows it. */
export function orderView(order: Order): Readonly<Record<string, unknown>> {
  const { orderId, eid, request, standing, createdMs, eimTransactionId, counterValue, results, message } = order;
  return {
    orderId,
    eid,
    kind: request.kind,
    ...standing,
    createdMs,
    eimTransactionId: toHexUpper(eimTransactionId),
    counterValue,
    message: message === undefined ? undefined : toHexUpper(message),
    results,
  };
}

const itemView = ({ eid, atMs, raw, view, deliveries }: StoredItem): unknown => ({ eid, atMs, ...view, deliveries, raw: toHexUpper(raw) });

const euiccView = (euicc: Euicc): unknown => ({
  eid: euicc.eid,
  counterValue: euicc.counterValue,
  associationToken: euicc.associationToken,
  certificate: euicc.chain !== undefined,
});

function found<T>(what: string, value: T | undefined, view: (value: T) => unknown): HttpAnswer {
  return value === undefined ? errorAnswer(404, `${what}: not known here`) : jsonAnswer(200, view(value));
}

/** JSON lines: the events kept after number `after` (all by default; `after=now` for none), then those to come. */
function events(core: EimCore, request: HttpRequest): HttpAnswer {
  const after = request.query.get("after") ?? "0";
  const n = after === "now" ? core.events.last : Number(after);
  if (!Number.isSafeInteger(n) || n < 0) throw new SimwardError("SIM_REQUEST", { detail: `after: ${JSON.stringify(after)} is no number` });
  return {
    status: 200,
    headers: { "Content-Type": "application/jsonl" },
    lines: (send) => core.events.follow(n, (event) => send(JSON.stringify(event))),
  };
}

/** As POST takes them: octets in hex. */
function showFaults(faults: FaultTargets): unknown {
  const shown = Object.fromEntries(Object.entries(faults).map(([name, { show }]) => [name, show()]));
  return JSON.parse(JSON.stringify(shown, (_, value: unknown) => (value instanceof Uint8Array ? toHexUpper(value) : value)));
}

async function setFaults({ core, faults, request }: Call): Promise<HttpAnswer> {
  const body = jsonBody(request);
  if (!isObject(body)) throw new SimwardError("SIM_REQUEST", { detail: "faults: the body is no JSON object" });
  const asked = Object.entries(body).map(([name, settings]) => {
    const target = Object.hasOwn(faults, name) ? faults[name] : undefined;
    if (target !== undefined) return { name, settings, target };
    throw new SimwardError("SIM_REQUEST", { detail: `faults: ${name} is none of ${Object.keys(faults).join(", ")}` });
  });
  for (const { name, settings, target } of asked) {
    await target.apply(settings);
    core.events.tell("fault", { target: name, settings });
  }
  return jsonAnswer(200, showFaults(faults));
}
