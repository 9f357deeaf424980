// Asking the server of this page: the key that lets in, and what is said while nobody answers.
// The token stands behind the # of the address and is good once.
import { at } from "./nodes.js";

const keyName = "simward-ui";
export const notLetIn =
  "This page is not let in: its address is good once, and for one tab. Run simward ui again, and open the address that it prints.";
export const noServer =
  "simward ui does not answer; it ends with Ctrl-C, and when nobody has looked for half an hour. Run it again, and open the address that it prints.";
export const noDaemon = "simwardd is not running, waiting. What is shown below is what it said last.";

/** Of this tab and of this server's port alone: sessionStorage is kept by origin, and the port is part of it. */
export const session = { key: sessionStorage.getItem(keyName) ?? undefined, enter: () => {} };

/** Changes the token behind the `#` for the key, and takes it out of the address. */
export async function enter() {
  const token = location.hash.slice(1);
  if (token === "") return;
  history.replaceState(null, "", "/");
  const response = await fetch("/session", {
    method: "POST",
    body: token,
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  }).catch(() => undefined);
  const body = await response?.json().catch(() => undefined);
  if (typeof body?.key !== "string") {
    if (session.key === undefined) waiting(response === undefined ? noServer : notLetIn);
    return;
  }
  sessionStorage.setItem(keyName, body.key);
  session.key = body.key;
  session.enter();
}

export const ask = (path) => fetch(path, { cache: "no-store", credentials: "omit", headers: { authorization: `Bearer ${session.key}` } });

/** Resolves when there is a key; the old one is of no use any more. */
export function leave(key) {
  if (session.key === key) {
    session.key = undefined;
    sessionStorage.removeItem(keyName);
  }
  waiting(notLetIn);
}
export async function whenLetIn() {
  while (session.key === undefined)
    await new Promise((resolve) => {
      const before = session.enter;
      session.enter = () => {
        before();
        resolve();
      };
    });
}

export async function get(path) {
  const { key } = session;
  const response = await ask(path);
  const body = await response.json().catch(() => undefined);
  if (response.status === 401) leave(key);
  return { ok: response.ok && body !== undefined, status: response.status, body };
}

export function setLink(text, tone) {
  if (at("link").textContent !== text) at("link").textContent = text;
  at("link").className = `chip ${tone}`;
}

/** Where the daemon does not answer what was last known stays to be read, marked as old. */
export function waiting(text) {
  const was = at("waiting").textContent;
  at("waiting").hidden = text === "";
  if (was !== text) at("waiting").textContent = text;
  if (text !== "") setLink("not connected", "bad");
}
