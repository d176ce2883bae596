import { userInfo } from 'node:os'
import { type OptionDefinition, type OptionValues, textOption } from './command.ts'

/** Of every command that a service keeps a note of. */
export const ACTOR_OPTION: Readonly<Record<string, OptionDefinition>> = {
  actor: { value: 'name', doc: 'who does it, for the log (default: the user of the system)' },
}

export function actorName(options: OptionValues): string {
  return textOption(options, 'actor') ?? systemUser()
}

/** A container may run as a number that no account has: then the number is the name. */
function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
