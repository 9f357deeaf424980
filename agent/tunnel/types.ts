// What others have to know of the tunnel: the firewall, the rule `tunnel_required`, the status.

/** What the firewall is to make of the fleet's packets; it stands from the start, before there is any tunnel. */
export interface TunnelForFirewall {
  /** required: no packet of the fleet's leaves by the module's interface itself. */
  readonly tunnel: "none" | "required";
  /** Of ESP in userspace (kernel-libipsec); undefined where the kernel does ESP itself, so that `rt ipsec exists` tells. */
  readonly tunnelInterface: string | undefined;
}

/**
 * idle: no path, or an emergency holds it back. connecting: asked for. up: packets can go. waiting: failed, tried again later.
 */
export type TunnelPhase = "idle" | "connecting" | "up" | "waiting";

/** As the policy engine is told. */
export interface TunnelFacts {
  /** The fleet's traffic must not leave otherwise. */
  readonly required: boolean;
  readonly phase: TunnelPhase;
  /** Why it is not up, in words. */
  readonly reason?: string | undefined;
}
