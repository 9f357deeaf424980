// How a transport finds a host's addresses: as it is told, or as the system does.
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";

/** The addresses in the order in which they are to be tried; at least one. Throws DNS_FAILED, DNS_NOT_FOUND, DNS_REFUSED, or what the system has. */
export type Resolve = (host: string, signal?: AbortSignal) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** As node:net wants it. */
export function lookupBy(resolve: Resolve): LookupFunction {
  return (host, { all, family }, callback) => {
    resolve(host).then(
      (found) => {
        const wanted = found
          .map((address) => ({ address, family: isIP(address) }))
          .filter((one) => !family || one.family === Number(family));
        const [first] = wanted;
        if (all === true) callback(null, wanted);
        else callback(first === undefined ? new Error(`${host} has no address of that family`) : null, first?.address ?? "", first?.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), ""),
    );
  };
}
