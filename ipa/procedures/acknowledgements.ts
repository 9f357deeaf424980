// Which acknowledgements of an eIM count: only for what is its own (SGP.32 §2.11.1.4). Pure.

export interface Acknowledged {
  readonly accepted: readonly number[];
  readonly ignored: readonly number[];
}

/** `own`: results addressed to this eIM and notifications that were in the report to it. */
export function sortAcknowledgements(seqNumbers: readonly number[], own: ReadonlySet<number>): Acknowledged {
  const unique = [...new Set(seqNumbers)];
  return { accepted: unique.filter((one) => own.has(one)), ignored: unique.filter((one) => !own.has(one)) };
}
