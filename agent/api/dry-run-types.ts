// What an order would send, had it been meant.

/** `outcome` commands: these would go out, and what follows depends on their answers. nothing: it is so already. unknown: it is not known before it runs. */
export interface DryRunReport {
  readonly schema: "simward/rehearsal/1";
  readonly outcome: "commands" | "nothing" | "unknown";
  readonly commands: readonly DryRunCommand[];
}

export type DryRunCommand =
  | {
      readonly interface: "es10";
      /** With its interface: "ES10c.EnableProfile". */
      readonly name: string;
      readonly section: string;
      /** STORE DATA in hex, as on the basic channel: the logical channel's number goes into the CLA on the way. */
      readonly apdus: readonly string[];
    }
  | { readonly interface: "at"; readonly line: string };
