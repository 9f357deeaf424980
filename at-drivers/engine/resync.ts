// Finds the module's attention again: after a timeout, in a new session, after noise. Nothing that comes before the answer to our own,
// latest question is believed, so that the late reply of an abandoned command never reaches the next one.
import type { Clock } from "../../base/clock.ts";
import { finalResult, isNumericResult } from "./results.ts";
import type { Token } from "./tokenizer.ts";

export interface ResyncIo {
  readonly clock: Clock;
  /** Exactly these characters, without waiting until they are out; what goes wrong `next` says. */
  write(text: string): void;
  /** The next token, or undefined when none came in time. Rejects when the port has closed or the caller gave up. */
  next(withinMs: number): Promise<Token | undefined>;
  /** Since the last octet came. */
  quietForMs(): number;
}

export interface ResyncRequest {
  readonly limitMs: number;
  /** Questions sent earlier and not seen answered, oldest first, by the prefix of their answer; kept up to date here. */
  readonly outstanding: string[];
  /** Prefix of the abandoned command: its late reply may look like the answer to a question with the same prefix. */
  readonly avoid: string | undefined;
  /** Sent before each question, its answer not awaited for long: a module in ATV0, ATQ1 or with echo comes out of it. */
  readonly hello: string | undefined;
  /** Whether the data state may be left. */
  readonly mayEscape: () => boolean;
  /** One question went unanswered. */
  readonly onMissed: () => void;
}

/**
 * Queries that every module answers without a SIM and without a network, each with a prefix of its own that is no usual URC. They take
 * turns: an answer that is late by less than a whole round cannot pass for another's.
 */
const questions = [
  { text: "AT+CMEE?", prefix: "+CMEE:" },
  { text: "AT+CGATT?", prefix: "+CGATT:" },
  { text: "AT+CSQ", prefix: "+CSQ:" },
  { text: "AT+CFUN?", prefix: "+CFUN:" },
] as const;

/** What most lines that nobody asked for look like. */
const urcLike = /^[+#%*^$][A-Z0-9]+ ?:/i;
const quietMs = 100;
/** Makers promise the answer to a plain query within this time, so a module with more to answer is not silent for longer. */
const answerGapMs = 300;
const keptOutstanding = 256;
const escapeKey = "\u001b";
const noiseLimitMs = 2_000;
const firstWaitMs = 1_000;
const longestWaitMs = 8_000;
/** The silence on both sides of `+++` (V.250 S12 and one module's own minimum of 1,004 ms). */
export const escapeGuardMs = 1_100;
/** Every so manieth question is preceded by an attempt to leave the data state. */
const escapeEvery = 3;

/** Answers whether the module echoes, or undefined when it did not answer within the limit. */
export async function resync(io: ResyncIo, request: ResyncRequest): Promise<{ readonly echo: boolean } | undefined> {
  const endMs = io.clock.monotonicMs() + request.limitMs;
  const leftMs = (): number => endMs - io.clock.monotonicMs();
  for (let attempt = 0; leftMs() > 0; attempt++) {
    await awaitQuiet(io, Math.min(noiseLimitMs, leftMs()));
    if (attempt % escapeEvery === escapeEvery - 1 && request.mayEscape()) await leaveDataState(io);
    if (request.hello !== undefined) await greet(io, request.hello, Math.min(firstWaitMs, leftMs()));
    if (leftMs() <= 0) break;
    const question = pick(request, attempt);
    request.outstanding.push(question.prefix);
    if (request.outstanding.length > keptOutstanding) request.outstanding.shift();
    io.write(`${question.text}\r`);
    const answer = await awaitAnswer(io, request.outstanding, question, Math.min(firstWaitMs * 2 ** attempt, longestWaitMs), leftMs());
    if (answer.kind === "silence") request.onMissed();
    if (answer.kind === "answered" && (await staysQuiet(io))) return { echo: answer.echo };
  }
  return undefined;
}

async function awaitQuiet(io: ResyncIo, limitMs: number): Promise<void> {
  const endMs = io.clock.monotonicMs() + limitMs;
  while (io.quietForMs() < quietMs && io.clock.monotonicMs() < endMs) await nextOutsidePrompt(io, quietMs - io.quietForMs());
}

/** A module that waits for a text takes everything for that text until it is told to give up. */
async function nextOutsidePrompt(io: ResyncIo, withinMs: number): Promise<Token | undefined> {
  const token = await io.next(withinMs);
  if (token?.kind === "prompt") io.write(escapeKey);
  return token;
}

async function leaveDataState(io: ResyncIo): Promise<void> {
  await drain(io, escapeGuardMs);
  io.write("+++");
  await drain(io, escapeGuardMs);
  // In the command state the three signs are the beginning of a line: this ends it.
  io.write("\r");
  await drain(io, quietMs);
}

async function drain(io: ResyncIo, ms: number): Promise<void> {
  const endMs = io.clock.monotonicMs() + ms;
  while (io.clock.monotonicMs() < endMs) await io.next(endMs - io.clock.monotonicMs());
}

/** The greeting's own result cannot be told from another's and need not be: it only must not run into the question behind it. */
async function greet(io: ResyncIo, hello: string, limitMs: number): Promise<void> {
  const endMs = io.clock.monotonicMs() + limitMs;
  io.write(`${hello}\r`);
  for (;;) {
    const token = await nextOutsidePrompt(io, endMs - io.clock.monotonicMs());
    if (token === undefined || (token.kind === "line" && isFinal(token.text))) return;
  }
}

interface Question {
  readonly text: string;
  readonly prefix: string;
}

function pick(request: ResyncRequest, attempt: number): Question {
  const usable = questions.filter((question) => question.prefix !== request.avoid);
  const unused = usable.filter((question) => !request.outstanding.includes(question.prefix));
  const from: readonly Question[] = unused.length > 0 ? unused : usable;
  return from[attempt % from.length] ?? questions[0];
}

type Answer = { readonly kind: "answered"; readonly echo: boolean } | { readonly kind: "other" } | { readonly kind: "silence" };

/** Waits as long as told, and longer while the module is seen to answer, up to the limit. */
async function awaitAnswer(io: ResyncIo, outstanding: string[], question: Question, waitMs: number, limitMs: number): Promise<Answer> {
  const limitAtMs = io.clock.monotonicMs() + limitMs;
  let endMs = Math.min(io.clock.monotonicMs() + waitMs, limitAtMs);
  let echo = false;
  let alive = false;
  let answering: string | undefined;
  for (;;) {
    const token = await nextOutsidePrompt(io, endMs - io.clock.monotonicMs());
    if (token === undefined) break;
    if (token.kind !== "line") continue;
    if (token.text.endsWith(question.text)) echo = true;
    const prefix = prefixOfAnswer(token.text);
    if (prefix !== undefined) {
      answering = prefix;
      continue;
    }
    if (!isFinal(token.text)) continue;
    alive = true;
    endMs = Math.min(Math.max(endMs, io.clock.monotonicMs() + firstWaitMs), limitAtMs);
    if (answering !== undefined && isSuccess(token.text)) {
      // The oldest question of that kind: what may be a late answer is taken for one.
      const at = outstanding.indexOf(answering);
      if (at >= 0 && at === outstanding.length - 1) {
        outstanding.length = 0;
        return { kind: "answered", echo };
      }
      outstanding.splice(0, at + 1);
    } else if (outstanding.length === 1) {
      // Refused, or the late result of something else: the next question has another prefix, so either will do.
      break;
    }
    answering = undefined;
  }
  // It talks, and then was silent for a whole wait: what it has not answered by now it never will.
  if (alive && endMs < limitAtMs) outstanding.length = 0;
  return { kind: alive ? "other" : "silence" };
}

/** No answer to anything comes any more, nor what may have been one before it was damaged. URCs may. */
async function staysQuiet(io: ResyncIo): Promise<boolean> {
  const endMs = io.clock.monotonicMs() + answerGapMs;
  for (;;) {
    const token = await nextOutsidePrompt(io, endMs - io.clock.monotonicMs());
    if (token === undefined) return true;
    if (token.kind !== "line" || !urcLike.test(token.text) || prefixOfAnswer(token.text) !== undefined || isFinal(token.text)) return false;
  }
}

function prefixOfAnswer(line: string): string | undefined {
  return questions.find(({ prefix }) => line.startsWith(prefix))?.prefix;
}

function isFinal(line: string): boolean {
  return isNumericResult(line) || finalResult(line, { command: "", prefixed: true }) !== undefined;
}

function isSuccess(line: string): boolean {
  return line.trim() === "0" || finalResult(line, { command: "", prefixed: true })?.kind === "ok";
}
