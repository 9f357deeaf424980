// The ports of the agent with a trace around them: what passes is told of, and passes unchanged.
import type { AtTraceEntry } from "../../at-drivers/engine/types.ts";
import type { ModemApdu, ModemApduChannel } from "../../at-drivers/modem.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Trace } from "../../base/trace.ts";
import type { Es9Transport, RspPorts } from "../../ipa/ports.ts";
import type { ClosableEsipaTransport } from "../../transports/esipa.ts";
import type { HttpsClient } from "../../transports/https/types.ts";

/** For the driver's `trace`. */
export function atTrace(trace: Trace): (entry: AtTraceEntry) => void {
  return ({ direction, octets, apduLine, urc, traceId }) => {
    if (!trace.wants("at")) return;
    const text = (apduLine ?? Buffer.from(octets).toString("latin1")).trimEnd();
    trace.emit("at", direction, { text, note: urc === true ? "URC" : undefined }, traceId ?? null);
  };
}

export function tracedApdu(apdu: ModemApdu, trace: Trace): ModemApdu {
  const exchange = async (peer: string, command: Uint8Array, transmit: () => Promise<Uint8Array>): Promise<Uint8Array> => {
    if (!trace.wants("apdu")) return transmit();
    trace.emit("apdu", "tx", { octets: command, peer });
    try {
      const response = await transmit();
      trace.emit("apdu", "rx", { octets: response, peer });
      return response;
    } catch (error) {
      trace.emit("apdu", "rx", { name: "no response", peer, note: asSimwardError(error).code });
      throw error;
    }
  };
  return {
    async open(aid, signal): Promise<ModemApduChannel> {
      const channel = await apdu.open(aid, signal);
      const peer = `channel ${channel.name ?? "?"}`;
      if (trace.wants("apdu"))
        trace.emit("apdu", "tx", { name: "channel opened", peer, note: `AID ${Buffer.from(aid).toString("hex").toUpperCase()}` });
      return {
        name: channel.name,
        transmit: (command, abort) => exchange(peer, command, () => channel.transmit(command, abort)),
        async close() {
          await channel.close();
          if (trace.wants("apdu")) trace.emit("apdu", "tx", { name: "channel closed", peer });
        },
      };
    },
    get transmitBasic() {
      const { transmitBasic } = apdu;
      if (transmitBasic === undefined) return undefined;
      return (command: Uint8Array, signal?: AbortSignal) => exchange("channel 0", command, () => transmitBasic(command, signal));
    },
    get maxCommandDataBytes() {
      return apdu.maxCommandDataBytes;
    },
  };
}

export function tracedEsipa(transport: ClosableEsipaTransport, trace: Trace): ClosableEsipaTransport {
  return {
    scheme: transport.scheme,
    async exchange(eim, request, signal) {
      if (!trace.wants("esipa")) return transport.exchange(eim, request, signal);
      const { functionName, encoding } = request;
      const name = `ESipa.${functionName[0]?.toUpperCase()}${functionName.slice(1)}`;
      const binding = encoding === "json" ? "https-json" : transport.scheme;
      const peer = eim.eimId;
      trace.emit("esipa", "tx", { name, octets: request.body, peer, note: binding });
      try {
        const response = await transport.exchange(eim, request, signal);
        trace.emit("esipa", "rx", { name, octets: response.body, peer, note: `${binding} ${response.status}`, last: true });
        return response;
      } catch (error) {
        trace.emit("esipa", "rx", { name, peer, note: `${binding} ${asSimwardError(error).code}`, last: true });
        throw error;
      }
    },
    pathChanged: () => transport.pathChanged(),
    close: () => transport.close(),
  };
}

export function tracedRsp(rsp: RspPorts | undefined, trace: Trace): RspPorts | undefined {
  return rsp === undefined ? undefined : { ...rsp, transport: tracedEs9(rsp.transport, trace) };
}

function tracedEs9(transport: Es9Transport, trace: Trace): Es9Transport {
  return {
    async post(server, functionName, body, signal) {
      if (!trace.wants("es9")) return transport.post(server, functionName, body, signal);
      const name = `ES9+.${functionName[0]?.toUpperCase()}${functionName.slice(1)}`;
      const peer = `${server.host}:${server.port}`;
      trace.emit("es9", "tx", { name, text: JSON.stringify(body), peer });
      try {
        const answer = await transport.post(server, functionName, body, signal);
        trace.emit("es9", "rx", { name, text: answer === undefined ? "" : JSON.stringify(answer), peer, last: true });
        return answer;
      } catch (error) {
        trace.emit("es9", "rx", { name, peer, note: asSimwardError(error).code, last: true });
        throw error;
      }
    },
  };
}

export function tracedHttps(https: HttpsClient, trace: Trace): HttpsClient {
  return {
    get counters() {
      return https.counters;
    },
    async request(peer, request, signal) {
      if (!trace.wants("https")) return https.request(peer, request, signal);
      const at = `${peer.host}:${peer.port}`;
      const name = `${request.method} ${request.path}`;
      trace.emit("https", "tx", { name, octets: request.body, peer: at });
      try {
        const response = await https.request(peer, request, signal);
        trace.emit("https", "rx", { name, octets: response.body, peer: at, note: String(response.status) });
        return response;
      } catch (error) {
        trace.emit("https", "rx", { name, peer: at, note: asSimwardError(error).code });
        throw error;
      }
    },
    close: () => https.close(),
  };
}
