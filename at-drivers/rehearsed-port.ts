// The port of an order that is rehearsed: what only asks is asked, any other line is written down and taken for done.
import type { Rehearsal } from "../base/rehearsal.ts";
import type { AtPort } from "./engine/types.ts";

/**
 * `+X?` reads (27.007 §5.1); `=?` does too, but of some commands (+COPS) it takes minutes off the air. +CRSM: READ BINARY, READ RECORD, GET RESPONSE,
 * STATUS. Then the actions that only answer.
 */
const asking = /^AT[^=]*\?$|^AT\+CRSM=(?:176|178|192|242)\b|^AT\+(?:CGCONTRDP|CEDRXRDP|CSQ|CESQ|CEER|CIMI|CGSN|CLCC|CPAS)(?:=\d+)?$/;

export function rehearsedPort(port: AtPort, going: Rehearsal): AtPort {
  return {
    async send(command, ...args) {
      const line = command.text(...args);
      if (command.reads ?? asking.test(line)) return port.send(command, ...args);
      going.note({ interface: "at", line: command.sensitive === true ? `AT${command.name}=…` : line });
      return command.parse({ lines: [], finalResult: "OK" });
    },
    with: (options) => rehearsedPort(port.with(options), going),
    onUrc: (prefix, fn) => port.onUrc(prefix, fn),
    get consecutiveTimeouts() {
      return port.consecutiveTimeouts;
    },
    closed: port.closed,
    close: () => Promise.resolve(),
  };
}
