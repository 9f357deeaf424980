// simward net tunnel: the private APN's tunnel, and when its certificates end.
import type { TunnelReport } from "../../api/tunnel-types.ts";
import { exitCodes } from "../exit.ts";
import { duration } from "../layout.ts";
import type { Output } from "../output.ts";
import type { Verb } from "../verb.ts";

type Row = readonly [string, readonly string[]];

export const netTunnel: Verb = {
  name: "net tunnel",
  summary: "the private APN's tunnel: state, gateway, addresses, algorithms, why it is not up, when certificates end",
  example: "simward net tunnel",
  async run({ api, out }) {
    const report = await api("viewer").call<TunnelReport>("GET", "/v1/tunnel");
    out.result(report, () => out.fields(rowsOf(report, out)));
    return report.configured && report.phase !== "up" ? exitCodes.offline : undefined;
  },
};

function rowsOf(report: TunnelReport, out: Output): readonly Row[] {
  if (!report.configured) return [["Tunnel", ["none: there is no section [tunnel]"]]];
  const { phase, required, gateway, problem, failures, sa, certificates } = report;
  const row = (name: string, ...parts: readonly (string | undefined | false)[]): Row => [
    out.paint("bold", name),
    parts.filter((part): part is string => typeof part === "string" && part !== ""),
  ];
  const rows = [
    row(
      "Tunnel",
      out.paint(phase === "up" ? "green" : "yellow", phase),
      required ? "required" : "not required",
      sa?.establishedSeconds !== undefined && `for ${duration(sa.establishedSeconds * 1_000)}`,
    ),
    row("Gateway", gateway, sa !== undefined && sa.gatewayAddress !== gateway && sa.gatewayAddress, sa?.remoteId),
  ];
  if (problem !== undefined)
    rows.push(
      row("Problem", out.paint("yellow", problem.code), problem.message, failures !== undefined && failures > 1 && `${failures} attempts`),
      row("Next", problem.next),
    );
  if (sa !== undefined)
    rows.push(
      row("Addresses", ...sa.virtualIps, `from ${sa.localAddress}`, sa.nameServers.length > 0 && `DNS ${sa.nameServers.join(" ")}`),
      row("Networks", `${sa.localTs.join(" ")} to ${sa.remoteTs.join(" ")}`),
      row("Algorithms", `IKE ${sa.ikeAlgorithms}`, `ESP ${sa.espAlgorithms}`),
      row(
        "Octets",
        `${sa.sentBytes} sent`,
        `${sa.receivedBytes} received`,
        sa.rekeySeconds !== undefined && `new keys in ${duration(sa.rekeySeconds * 1_000)}`,
      ),
    );
  for (const { whose, name, ends } of certificates)
    rows.push(row(whose === "ca" ? "CA" : "Certificate", name, `until ${ends.slice(0, 10)}`));
  return rows;
}
