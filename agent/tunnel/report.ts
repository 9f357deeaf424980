// The tunnel as the local API tells of it. Pure.
import type { ErrorReport } from "../../base/errors.ts";
import type { TunnelReport } from "../api/tunnel-types.ts";
import type { TunnelConfig } from "./config.ts";
import type { CertificateEnd } from "./credentials.ts";
import type { TunnelReading } from "./reading.ts";
import type { TunnelPhase } from "./types.ts";

/** Without a section [tunnel]. */
export const noTunnelReport: TunnelReport = {
  schema: "simward/tunnel/1",
  configured: false,
  required: false,
  phase: "idle",
  certificates: [],
};

export interface ReportParts {
  readonly config: TunnelConfig;
  readonly phase: TunnelPhase;
  readonly failures: number;
  readonly certificates: readonly CertificateEnd[];
  readonly reading: TunnelReading | undefined;
  readonly problem: ErrorReport | undefined;
}

export function reportOf({ config, phase, failures, certificates, reading, problem }: ReportParts): TunnelReport {
  const sa = phase === "up" ? reading?.sa : undefined;
  const children = sa?.children ?? [];
  return {
    schema: "simward/tunnel/1",
    configured: true,
    required: config.required,
    phase,
    gateway: config.gateway,
    ...(problem === undefined ? {} : { problem, failures }),
    ...(sa === undefined
      ? {}
      : {
          sa: {
            gatewayAddress: sa.remoteAddress,
            localAddress: sa.localAddress,
            localId: sa.localId,
            remoteId: sa.remoteId,
            virtualIps: sa.virtualIps,
            nameServers: reading?.nameServers ?? [],
            ikeAlgorithms: sa.algorithms,
            espAlgorithms: children.at(-1)?.algorithms ?? "",
            localTs: children.at(-1)?.localTs ?? [],
            remoteTs: children.at(-1)?.remoteTs ?? [],
            receivedBytes: children.reduce((sum, one) => sum + one.receivedBytes, 0),
            sentBytes: children.reduce((sum, one) => sum + one.sentBytes, 0),
            ...(sa.establishedSeconds === undefined ? {} : { establishedSeconds: sa.establishedSeconds }),
            ...(sa.rekeySeconds === undefined ? {} : { rekeySeconds: sa.rekeySeconds }),
          },
        }),
    certificates: certificates.map(({ whose, name, endMs }) => ({ whose, name, ends: new Date(endMs).toISOString() })),
  };
}
