import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { GroupEvent, JoinGroupResponse, SyncGroupResponse } from './index.ts'
import { GROUP, Harness, text } from './testing/harness.ts'

/**
 * Conversations with a coordinator, written down in `testdata`: a line that begins with `>` is what
 * happens, what follows is what comes of it. After a change of behaviour on purpose:
 * `npx vitest run --project unit libs/coordinator/src/scripts.test.ts -u`, and read the diff.
 */

const SCRIPTS = join(import.meta.dirname, '../testdata')

type Waiting = { readonly who: string; readonly kind: 'join' | 'sync'; readonly token: number }

class Conversation {
  readonly #harness = new Harness()
  readonly #memberIds = new Map<string, string>()
  readonly #generations = new Map<string, number>()
  #waiting: Waiting[] = []
  #seenEvents = 0
  #seenRecords = 0

  /** What comes of a line, one fact per line. */
  run(line: string): readonly string[] {
    const [command = '', ...words] = line.split(' ')
    const options = new Map(words.map((word) => word.split('=', 2) as [string, string | undefined]))
    const [who = ''] = words
    const answers = this.#happen(command, who, options)
    return [...answers, ...this.#completions(), ...this.#events(), ...this.#records()]
  }

  #happen(
    command: string,
    who: string,
    options: ReadonlyMap<string, string | undefined>,
  ): readonly string[] {
    const harness = this.#harness
    const memberId = options.has('afresh') ? '' : (this.#memberIds.get(who) ?? '')
    const generationId = this.#generations.get(who) ?? -1
    const instanceId = options.has('static') ? who : null
    switch (command) {
      case 'join': {
        const protocols = (options.get('protocols') ?? 'range').split(',')
        const { token } = harness.join({
          memberId,
          instanceId,
          clientId: who,
          apiVersion: Number(options.get('version') ?? 9),
          protocols: protocols.map((name) => [name, options.get('metadata') ?? who] as const),
        })
        this.#waiting.push({ who, kind: 'join', token })
        return []
      }
      case 'sync': {
        const assignments = Object.fromEntries(
          [...options]
            .filter(([name, assignment]) => this.#memberIds.has(name) && assignment !== undefined)
            .map(([name, assignment = '']) => [this.#memberIds.get(name) ?? '', assignment]),
        )
        const { token } = harness.sync({ memberId, generationId, instanceId, assignments })
        this.#waiting.push({ who, kind: 'sync', token })
        return []
      }
      case 'heartbeat':
        return [`${who}: ${harness.heartbeat(memberId, generationId, instanceId)}`]
      case 'leave':
        return [`${who}: ${harness.leave([{ memberId }]).join(' ')}`]
      case 'commit': {
        const offset = Number(options.get('offset'))
        const member = who === 'nobody' ? {} : { memberId, generationId, instanceId }
        return [`${who}: ${harness.commit({ offset, ...member })}`]
      }
      case 'delete':
        return [harness.deleteGroups(GROUP).join(' ')]
      case 'wait':
        harness.advance(Number(who))
        return []
      case 'crash':
        harness.crash()
        this.#waiting = []
        return []
      case 'describe': {
        const { state, protocol, members } = harness.describe()
        return [this.#named([state, protocol, ...members].filter((word) => word !== '').join(' '))]
      }
      case 'committed':
        return [`${harness.fetch().offset}`]
      default:
        throw new Error(`nobody knows how to "${command}"`)
    }
  }

  #completions(): readonly string[] {
    const { answers } = this.#harness
    const answered = this.#waiting.filter(({ token }) => answers.has(token))
    this.#waiting = this.#waiting.filter(({ token }) => !answers.has(token))
    for (const { who, kind, token } of answered) {
      if (kind === 'join') this.#learn(who, this.#harness.joined(token))
    }
    return answered.map(({ who, kind, token }) => {
      const answer =
        kind === 'join' ? joined(this.#harness.joined(token)) : synced(this.#harness.synced(token))
      return this.#named(`${who}: ${answer}`)
    })
  }

  /** As clients do: who is told that it is nobody begins afresh. */
  #learn(who: string, answer: JoinGroupResponse | undefined): void {
    if (answer?.errorCode === 'UNKNOWN_MEMBER_ID') this.#memberIds.delete(who)
    if (answer?.errorCode !== 'MEMBER_ID_REQUIRED' && answer?.errorCode !== 'NONE') return
    this.#memberIds.set(who, answer.memberId)
    this.#generations.set(who, answer.generationId ?? -1)
  }

  #events(): readonly string[] {
    const events = this.#harness.events.slice(this.#seenEvents)
    this.#seenEvents = this.#harness.events.length
    return events.map((event) => this.#named(`  * ${eventText(event)}`))
  }

  #records(): readonly string[] {
    const written = this.#harness.log.slice(this.#seenRecords)
    this.#seenRecords = this.#harness.log.length
    const kinds = written.map(({ record: { key, value } }) => {
      const kind = key[1] === 2 ? 'group' : 'offset'
      return value === null ? `no ${kind}` : kind
    })
    return kinds.length === 0 ? [] : [`  = ${kinds.join(', ')}`]
  }

  /** Ids of members as the names that the script has for them; `a?` is an id that a does not know. */
  #named(line: string): string {
    let named = line
    for (const [who, memberId] of this.#memberIds) named = named.replaceAll(memberId, who)
    return named.replaceAll(/(\w+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '$1?')
  }
}

function joined(answer: JoinGroupResponse | undefined): string {
  if (answer === undefined) throw new Error('an answer is there')
  const { errorCode, generationId, protocolName, leader, members, skipAssignment } = answer
  if (errorCode !== 'NONE') return errorCode
  const known = members.map((member) => member.memberId).join(' ')
  const facts = [`generation ${generationId}`, `${protocolName}`, `leader ${leader}`]
  if (known !== '') facts.push(`members ${known}`)
  if (skipAssignment === true) facts.push('skips the assignment')
  return facts.join(', ')
}

function synced(answer: SyncGroupResponse | undefined): string {
  if (answer === undefined) throw new Error('an answer is there')
  if (answer.errorCode !== 'NONE') return answer.errorCode
  return `assigned ${text(answer.assignment) || 'nothing'}`
}

function eventText({ kind, ...facts }: GroupEvent): string {
  const details = Object.entries(facts)
    .filter(([name]) => name !== 'groupId')
    .map(([name, value]) => `${name} ${value}`)
  return [kind, ...details].join(', ')
}

test.for(readdirSync(SCRIPTS))('%s', async (file) => {
  const path = join(SCRIPTS, file)
  const conversation = new Conversation()
  const transcript = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('>') || line.startsWith('#'))
    .flatMap((line) =>
      line.startsWith('#') ? ['', line] : [line, ...conversation.run(line.slice(2))],
    )
  await expect(`${transcript.join('\n').trimStart()}\n`).toMatchFileSnapshot(path)
})
