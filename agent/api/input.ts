// Fields that many routes take, checked alike.
import { maxLength, nonEmpty, pipe, string, trim } from "valibot";

/** Something must be in it besides blanks. */
export const text = (most: number) => pipe(string(), trim(), nonEmpty("must not be empty"), maxLength(most));

/** Why somebody does what is written into the audit trail. */
export const reason = text(500);
