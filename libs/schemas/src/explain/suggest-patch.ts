import { type JsonValue, readJson, writeJson } from '@fairlead/avro'
import type { CompatibilityReason, SchemaDocument } from '../schema-document.ts'
import { avroFixes } from './avro-fixes.ts'
import { type PatchOperation, parentPointer, patched, valueAt } from './json-patch.ts'

/** Reasons that are mended one after the other; more are for a person. */
const STEPS_MAX = 50
/** Tries in all, and of how much text: each parses and compares the whole schema. */
const TRIES_MAX = 300
const TRIED_LENGTH_MAX = 500_000
/** Longer texts are not mended. */
const TEXT_LENGTH_MAX = 200_000

/** Reads a changed text, and compares it again; undefined when it is no schema any more. */
export type Recheck = (text: string) => readonly CompatibilityReason[] | undefined

export type Suggestion = {
  /** For each reason that was there at first, what removes it; undefined when nothing was found. */
  readonly ofReason: readonly (readonly PatchOperation[] | undefined)[]
  /** All of it, in order; undefined unless the result is compatible. */
  readonly whole: readonly PatchOperation[] | undefined
}

/**
 * Finds changes of the new schema that make it compatible, by trying: each one that is suggested was
 * applied, parsed and compared.
 */
export function suggestPatch(
  texts: { readonly next: string; readonly old: string },
  document: SchemaDocument,
  reasons: readonly CompatibilityReason[],
  recheck: Recheck,
): Suggestion {
  const nothing = { ofReason: reasons.map(() => undefined), whole: undefined }
  const isTooLong = texts.next.length + texts.old.length > TEXT_LENGTH_MAX
  if (document.schemaType === 'PROTOBUF' || isTooLong) return nothing
  return new PatchSearch(readJson(texts.next), readJson(texts.old), recheck).suggest(reasons)
}

class PatchSearch {
  #current: JsonValue
  readonly #old: JsonValue
  readonly #recheck: Recheck
  #triesLeft: number

  constructor(next: JsonValue, old: JsonValue, recheck: Recheck) {
    this.#current = next
    this.#old = old
    this.#recheck = recheck
    const length = writeJson(next).length + writeJson(old).length
    this.#triesLeft = Math.min(TRIES_MAX, Math.ceil(TRIED_LENGTH_MAX / length))
  }

  suggest(reasons: readonly CompatibilityReason[]): Suggestion {
    const whole: PatchOperation[] = []
    const found = new Map<string, readonly PatchOperation[]>()
    const hopeless = new Set<string>()
    let left: readonly CompatibilityReason[] = reasons
    for (let step = 0; step < STEPS_MAX; step += 1) {
      const reason = left.find((candidate) => !hopeless.has(keyOf(candidate)))
      if (reason === undefined) break
      const fix = this.#fix(reason, left)
      if (fix === undefined) {
        hopeless.add(keyOf(reason))
        continue
      }
      found.set(keyOf(reason), fix.operations)
      whole.push(...fix.operations)
      this.#current = fix.json
      left = fix.left
    }
    return {
      ofReason: reasons.map((reason) => found.get(keyOf(reason))),
      whole: left.length === 0 && whole.length > 0 ? whole : undefined,
    }
  }

  /** The first change after which this reason is gone, and no new one has come. */
  #fix(reason: CompatibilityReason, before: readonly CompatibilityReason[]) {
    const known = new Set(before.map(keyOf))
    for (const operations of this.#candidates(reason)) {
      if (operations.length === 0 || this.#triesLeft === 0) continue
      this.#triesLeft -= 1
      const json = patched(this.#current, operations)
      const left = json && this.#recheck(writeJson(json))
      if (json === undefined || left === undefined) continue
      const isGone = !left.some((other) => keyOf(other) === keyOf(reason))
      const isBetter = left.length < before.length || left.every((other) => known.has(keyOf(other)))
      if (isGone && isBetter) return { operations, json, left }
    }
    return undefined
  }

  #candidates(reason: CompatibilityReason): (readonly PatchOperation[])[] {
    const texts = { next: this.#current, old: this.#old }
    if (reason.incompatibility !== undefined) return avroFixes(reason, texts)
    return reverts(reason.path.replace(/^#/, ''), texts)
  }
}

/** Takes back what was changed at a path, or around it. */
function reverts(
  path: string,
  { next, old }: { readonly next: JsonValue; readonly old: JsonValue },
): (readonly PatchOperation[])[] {
  const candidates: (readonly PatchOperation[])[] = []
  for (let at: string | undefined = path; at !== undefined; at = parentPointer(at)) {
    const [before, after] = [valueAt(old, at), valueAt(next, at)]
    if (before !== undefined && (after === undefined || writeJson(after) !== writeJson(before))) {
      candidates.push([{ op: after === undefined ? 'add' : 'replace', path: at, value: before }])
    } else if (before === undefined && after !== undefined) {
      candidates.push([{ op: 'remove', path: at }])
    }
  }
  return candidates
}

function keyOf({ readerIs, type, path, sentence }: CompatibilityReason): string {
  return `${readerIs} ${type} ${path} ${sentence}`
}
