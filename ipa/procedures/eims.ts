// The eIMs of this eUICC: their configuration as the card holds it, and a client for each that can be reached (SGP.32 §3.5, §5.9.18).
import { asSimwardError, SimwardError as Refusal, type SimwardError } from "../../base/errors.ts";
import { decode } from "../asn1/schema.ts";
import { childOf, childrenOf, rawOf, readOnlyTlv } from "../asn1/tlv.ts";
import { type BindingMemory, inOrder } from "../esipa/bindings.ts";
import { EimClient } from "../esipa/client.ts";
import { type AccessBinding, asClient, compatOf, type EimAccess, type EimAsClient, endpointOf } from "../esipa/endpoint.ts";
import { Minimizer, type ToldMemory } from "../esipa/minimizer.ts";
import { collapsed } from "../euicc/double-tag.ts";
import { type Es10, getEimConfigurationData } from "../euicc/es10.ts";
import type { IpaPorts } from "../ipa.ts";
import { EimConfigurationData } from "../messages/eim-config.ts";
import type { EimPeer, EsipaCompat, IpaOptions } from "../options.ts";

export interface Eim {
  readonly config: EimConfigurationData;
  /** EimConfigurationData as the card gave it. */
  readonly raw: Uint8Array;
  readonly access: EimAccess | undefined;
  /** Why there is no access. */
  readonly error: SimwardError | undefined;
}

export class EimDirectory {
  readonly #ports: IpaPorts;
  readonly #options: IpaOptions;
  readonly #eid: Uint8Array;
  readonly #bindings: BindingMemory;
  readonly #told: ToldMemory;
  readonly #lastContactMs = new Map<string, number>();
  /** A peer waits for what is reported to that eIM (SGP.32 §3.1.1.2): its clients offer it there first. */
  awaited: { readonly eimId: string; readonly take: (provideEimPackageResult: Uint8Array) => boolean } | undefined;
  #eims: readonly Eim[] = [];

  constructor(ports: IpaPorts, options: IpaOptions, eid: Uint8Array, bindings: BindingMemory, told: ToldMemory) {
    this.#ports = ports;
    this.#options = options;
    this.#eid = eid;
    this.#bindings = bindings;
    this.#told = told;
  }

  get all(): readonly Eim[] {
    return this.#eims;
  }

  get ids(): readonly string[] {
    return this.#eims.map(({ config }) => config.eimId);
  }

  lastContactMs(eimId: string): number | undefined {
    return this.#lastContactMs.get(eimId);
  }

  /** Asks the card. */
  async read(es10: Es10): Promise<void> {
    const { raw } = await es10.ask(getEimConfigurationData, {});
    const list = childOf(collapsed(readOnlyTlv(raw)), 0xa0);
    this.#eims = list === undefined ? [] : childrenOf(list).map((tlv) => this.#eim(rawOf(tlv)));
  }

  find(eimId: string): Eim | undefined {
    return this.#eims.find(({ config }) => config.eimId === eimId);
  }

  /** Those that may come to us (SGP.32 §3.1.1.2), and how to know each. */
  get clients(): readonly EimAsClient[] {
    return this.#eims.flatMap(({ config }) => asClient(config, this.#peer(config.eimId)) ?? []);
  }

  /** The binding that would be used now. */
  current({ config, access }: Eim): AccessBinding | undefined {
    return access === undefined ? undefined : inOrder(access.bindings, this.#bindings.load(config.eimId))[0];
  }

  /** `kept`: an EimConfigurationData to fall back on when the card no longer has that eIM. Throws EIM_UNKNOWN, EIM_NO_… */
  client(eimId: string, kept?: Uint8Array): EimClient {
    const eim = this.find(eimId) ?? (kept === undefined ? undefined : this.#eim(kept));
    if (eim === undefined) throw new Refusal("EIM_UNKNOWN", { detail: eimId });
    const awaited = this.awaited?.eimId === eimId ? this.awaited : undefined;
    // An eIM that only injects has no address: then its waiting peer is all there is of it.
    if (eim.access === undefined && awaited === undefined) throw eim.error ?? new Refusal("EIM_UNKNOWN", { detail: eimId });
    const { bindings, compat } = eim.access ?? { bindings: [], compat: compatOf(this.#peer(eimId)) };
    return new EimClient({
      eimId,
      bindings: bindings.flatMap(({ name, scheme, endpoint }) => {
        const transport = this.#ports.transports.find((one) => one.scheme === scheme);
        return transport === undefined ? [] : [{ name, endpoint, transport }];
      }),
      memory: this.#bindings,
      minimizer: this.#minimizes(compat) ? new Minimizer(eimId, this.#told) : undefined,
      compat,
      eid: this.#eid,
      clock: this.#ports.clock,
      events: this.#ports.events,
      timeoutMs: this.#options.esipaTimeoutMs,
      take: awaited?.take,
      onContact: () => this.#lastContactMs.set(eimId, this.#ports.clock.now()),
    });
  }

  /** Announced, and known to be understood; v1.0 has no eUICC data to build on. */
  #minimizes({ minimizeEsipaBytes, esipaVersion }: EsipaCompat): boolean {
    return minimizeEsipaBytes && esipaVersion === "1.2" && this.#options.eimFeatures.includes("minimizeEsipaBytes");
  }

  #peer(eimId: string): EimPeer | undefined {
    return this.#options.peers.find((peer) => peer.eimId === eimId);
  }

  #eim(raw: Uint8Array): Eim {
    const config = decode(EimConfigurationData, raw, { name: "EimConfigurationData" });
    const peer = this.#peer(config.eimId);
    const schemes = { available: this.#ports.transports.map(({ scheme }) => scheme), prefer: this.#options.preferBinding };
    try {
      return { config, raw, access: endpointOf(config, peer, schemes), error: undefined };
    } catch (error) {
      return { config, raw, access: undefined, error: asSimwardError(error) };
    }
  }
}
