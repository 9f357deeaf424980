// Every make of module that the virtual vehicle can have.
import { generic3gpp, type Personality } from "../personality.ts";

const all: readonly Personality[] = [generic3gpp];

/** By id, for the command line. */
export const personalities: Readonly<Record<string, Personality>> = Object.fromEntries(all.map((one) => [one.id, one]));
