// Exit codes by error code: what a script tells apart. A code whose name only begins like another's is not taken for it.
import { describe, expect, test } from "vitest";
import { exitCodeOf, exitCodes } from "../../../agent/cli/exit.ts";

describe("the exit code", () => {
  test("says whose fault it is", () => {
    const told = {
      USAGE: "usage",
      USAGE_CAP: "policy",
      API_TOO_LARGE: "usage",
      AT_COMMAND: "usage",
      AT_DENIED: "policy",
      AT_CME_ERROR: "modem",
      API_NOT_RUNNING: "notRunning",
      API_FORBIDDEN: "permission",
      DNS_NOT_FOUND: "offline",
      DNS_REFUSED: "offline",
      TUNNEL_UNTRUSTED: "offline",
      PATH_DEAD: "offline",
      NO_DATA_PATH: "offline",
      COAP_TIMEOUT: "timeout",
      UI_PORT: "busy",
      TLS_EXPIRED: "server",
      AUDIT_WRITE: "failed",
    } as const;
    for (const [code, name] of Object.entries(told) as [keyof typeof told, (typeof told)[keyof typeof told]][])
      expect([code, exitCodeOf(code)]).toEqual([code, exitCodes[name]]);
  });
});
