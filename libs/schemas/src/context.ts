/** Contexts (Confluent 7): a subject `:.ctx:name` is `name` in `.ctx`; without one it is in `.`. */

export const DEFAULT_CONTEXT = '.'
/** Settings and modes for all contexts that have none of their own. */
const GLOBAL_CONTEXT = ':.__GLOBAL:'

const QUALIFIED = /^:(\.[^:]*):([^]*)$/

export function contextOf(subject: string): string {
  return QUALIFIED.exec(subject)?.[1] ?? DEFAULT_CONTEXT
}

/** `:.:name` is the long form of a subject in the default context; subjects are stored without. */
export function plainSubject(subject: string): string {
  return subject.startsWith(':.:') ? subject.slice(3) : subject
}

/** A reference without a context is to the context of the schema that has it. */
export function qualifiedLike(parent: string, subject: string): string {
  const context = contextOf(parent)
  if (QUALIFIED.test(subject)) return plainSubject(subject)
  return context === DEFAULT_CONTEXT ? subject : `:${context}:${subject}`
}

/** `:.ctx:` alone, which stands for all subjects of the context; also the default one, `:.:`. */
export function isContextName(subject: string): boolean {
  return QUALIFIED.exec(subject)?.[2] === ''
}

/** Where settings and modes are looked for, nearest first; undefined is the whole registry. */
export function scopesOf(subject: string | undefined): readonly (string | undefined)[] {
  if (subject === undefined) return [undefined]
  const context = contextOf(subject)
  const ofContext = context === DEFAULT_CONTEXT ? [] : [`:${context}:`]
  return [...new Set([subject, ...ofContext]), GLOBAL_CONTEXT, undefined]
}
