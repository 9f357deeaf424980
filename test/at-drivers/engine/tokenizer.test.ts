// Octets into lines and prompts: whatever the chunks, whatever the line ends, within bounds.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Token, Tokenizer } from "../../../at-drivers/engine/tokenizer.ts";

function tokensOf(chunks: readonly string[], expectPrompt = false, maxLineBytes?: number): Token[] {
  const tokenizer = new Tokenizer(maxLineBytes);
  tokenizer.expectPrompt = expectPrompt;
  return chunks.flatMap((chunk) => tokenizer.push(Buffer.from(chunk, "latin1")));
}

const line = (text: string): Token => ({ kind: "line", text });

describe("lines", () => {
  test.each([
    ["V1", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n", [line("+CSQ: 20,99"), line("OK")]],
    ["V0", "+CSQ: 20,99\r\n0\r", [line("+CSQ: 20,99"), line("0")]],
    ["an echo", "AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n", [line("AT+CSQ"), line("+CSQ: 20,99"), line("OK")]],
    ["doubled carriage returns", "\r\r\nRDY\r\r\n\r\r\nOK\r\r\n", [line("RDY"), line("OK")]],
    [
      "bare line feeds inside a reply",
      '+COPS: (2,"A",\n"B","26201"),\n\nOK\n',
      [line('+COPS: (2,"A",'), line('"B","26201"),'), line("OK")],
    ],
    ["NULs of a wake-up", "\0\0\r\nO\0K\r\n", [line("OK")]],
    ["octets above ASCII", "\r\n\xe9\xff\r\n", [line("\xe9\xff")]],
    ["merged replies", "\r\nOK\r\n\r\n+CREG: 5\r\n\r\nERROR\r\n", [line("OK"), line("+CREG: 5"), line("ERROR")]],
    ["CONNECT and what follows", "\r\nCONNECT 150000000\r\n~\xff}#", [line("CONNECT 150000000")]],
  ])("%s", (_, octets, expected) => {
    expect(tokensOf([octets])).toEqual(expected);
  });

  test("the same whatever octet the chunks are cut at", () => {
    const octets = 'AT+CPIN?\r\r\n+CPIN: READY\r\n\r\nOK\r\n\r\n> \r\n+CEREG: 5,"1A2B","00E2BD12",7\r\n';
    const whole = tokensOf([octets]);
    for (let at = 0; at <= octets.length; at++) expect(tokensOf([octets.slice(0, at), octets.slice(at)])).toEqual(whole);
    expect(tokensOf([...octets])).toEqual(whole);
  });
});

describe("prompts", () => {
  test("`> ` is one at the beginning of a line, without its end", () => {
    expect(tokensOf(["\r\n> "])).toEqual([{ kind: "prompt", text: ">" }]);
  });

  test("`>` and `@` alone are ones only for a command that waits for them", () => {
    expect(tokensOf(["\r\n>", "\r\n@\r\n"])).toEqual([line(">"), line("@")]);
    expect(tokensOf(["\r\n>"], true)).toEqual([{ kind: "prompt", text: ">" }]);
    expect(tokensOf(["\r\n> \r\n@"], true)).toEqual([
      { kind: "prompt", text: ">" },
      { kind: "prompt", text: "@" },
    ]);
  });

  test("inside a line it is text", () => {
    expect(tokensOf(["a> b\r\n"])).toEqual([line("a> b")]);
  });
});

describe("a line without end", () => {
  test("is reported once when it passes the limit, dropped up to its end, and the next line is read", () => {
    expect(tokensOf([`${"x".repeat(100)}\r\nOK\r\n`], false, 16)).toEqual([{ kind: "overflow" }, line("OK")]);
    expect(tokensOf([`${"x".repeat(16)}\r\n`], false, 16)).toEqual([line("x".repeat(16))]);
  });
});

test("property: chunks never matter, every line is within the limit, and nothing of a line is invented", () => {
  const alphabet = ["\r", "\n", ">", " ", "@", "O", "K", "+", "\0", "\xff", "A"];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 200 }), fc.array(fc.nat(200), { maxLength: 6 }), (characters, cuts) => {
      const octets = characters.join("");
      const points = [0, ...cuts.filter((cut) => cut <= octets.length).sort((a, b) => a - b), octets.length];
      const chunks = points.slice(1).map((end, index) => octets.slice(points[index], end));
      const tokens = tokensOf(chunks, false, 32);
      expect(tokens).toEqual(tokensOf([octets], false, 32));
      for (const token of tokens) {
        if (token.kind !== "line") continue;
        expect(token.text.length).toBeLessThanOrEqual(32);
        expect(octets.replaceAll("\0", "")).toContain(token.text);
      }
    }),
    { seed: 20260101, numRuns: 500 },
  );
});
