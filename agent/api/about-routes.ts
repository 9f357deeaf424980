// Routes about the API itself: what answers, the document that describes it, and figures for a monitor.
import { strictObject } from "valibot";
// Made from the route table by test/agent/docs.test.ts.
import openapi from "../../docs/openapi.json" with { type: "json" };
import { metricsOf, metricsType } from "./metrics.ts";
import { type Route, route } from "./route.ts";
import { versionReport } from "./version-report.ts";

const nothing = strictObject({});

export const aboutRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/version",
    access: "viewer",
    summary: "What answers: simward, its Node and OpenSSL, the kernel.",
    answer: "simward/version/1",
    input: nothing,
    run: async () => versionReport(),
  }),
  route({
    method: "GET",
    path: "/v1/openapi.json",
    access: "viewer",
    summary: "This API as an OpenAPI 3.1 document, with the JSON Schema of every answer; also docs/openapi.json.",
    answer: "OpenAPI 3.1",
    input: nothing,
    text: { contentType: "application/json", run: async () => JSON.stringify(openapi) },
  }),
  route({
    method: "GET",
    path: "/v1/metrics",
    access: "viewer",
    summary: "Figures of the status in the text format of Prometheus; no identifiers in them, but for the operator's PLMN.",
    answer: "Prometheus text",
    input: nothing,
    text: { contentType: metricsType, run: async ({ services }) => metricsOf(await services.status()) },
  }),
];
