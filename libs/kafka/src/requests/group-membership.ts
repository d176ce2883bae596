import { type Exchange, exchangeOf } from './exchange.ts'

/** Of consumers; other kinds of groups have other types. */
const PROTOCOL_TYPE = 'consumer'

/** Who asks: a member in a generation. */
export type MemberOf = {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly instanceId: string | null
}

export type JoinAnswer = {
  readonly errorCode: number
  readonly generationId: number
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** For the leader alone. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Uint8Array
  }[]
}

/** JoinGroup (key 11), version 9, the first with `skip_assignment` (KIP-814). No reason is given. */
export function joinGroupExchange(request: {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Empty for a member that has none yet. */
  readonly memberId: string
  readonly instanceId: string | null
  /** Assignors with the subscription that each is told. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
}): Exchange<JoinAnswer> {
  return exchangeOf(
    { key: 11, version: 9 },
    {
      encode: (writer) => {
        writer.string(request.groupId)
        writer.int32(request.sessionTimeoutMs).int32(request.rebalanceTimeoutMs)
        writer.string(request.memberId).nullableString(request.instanceId).string(PROTOCOL_TYPE)
        writer.array(request.protocols, ({ name, metadata }) =>
          writer.string(name).nullableBytes(metadata).tags(),
        )
        writer.nullableString(null).tags()
      },
      decode: (reader) => {
        reader.int32()
        const errorCode = reader.int16()
        const generationId = reader.int32()
        reader.nullableString()
        return {
          errorCode,
          generationId,
          protocolName: reader.nullableString(),
          leader: reader.string(),
          skipAssignment: reader.boolean(),
          memberId: reader.string(),
          members: reader.array(() =>
            reader.struct(() => ({
              memberId: reader.string(),
              groupInstanceId: reader.nullableString(),
              metadata: reader.bytesOrNone(),
            })),
          ),
        }
      },
    },
  )
}

/** SyncGroup (key 14), version 5. Assignments are empty, unless the leader sends them. */
export function syncGroupExchange(
  member: MemberOf,
  request: {
    readonly protocolName: string
    readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
  },
): Exchange<{ readonly errorCode: number; readonly assignment: Uint8Array }> {
  return exchangeOf(
    { key: 14, version: 5 },
    {
      encode: (writer) => {
        writer.string(member.groupId).int32(member.generationId)
        writer.string(member.memberId).nullableString(member.instanceId)
        writer.nullableString(PROTOCOL_TYPE).nullableString(request.protocolName)
        writer.array(request.assignments, ({ memberId, assignment }) =>
          writer.string(memberId).nullableBytes(assignment).tags(),
        )
        writer.tags()
      },
      decode: (reader) => {
        reader.int32()
        const errorCode = reader.int16()
        reader.nullableString()
        reader.nullableString()
        return { errorCode, assignment: reader.bytesOrNone() }
      },
    },
  )
}

/** Heartbeat (key 12), version 4. Answers the error code. */
export function heartbeatExchange(member: MemberOf): Exchange<number> {
  return exchangeOf(
    { key: 12, version: 4 },
    {
      encode: (writer) => {
        writer.string(member.groupId).int32(member.generationId)
        writer.string(member.memberId).nullableString(member.instanceId).tags()
      },
      decode: (reader) => {
        reader.int32()
        return reader.int16()
      },
    },
  )
}

/** LeaveGroup (key 13), version 4, of one dynamic member. Answers the error code of the request. */
export function leaveGroupExchange(request: {
  readonly groupId: string
  readonly memberId: string
}): Exchange<number> {
  return exchangeOf(
    { key: 13, version: 4 },
    {
      encode: (writer) => {
        writer.string(request.groupId)
        writer.array([request.memberId], (memberId) =>
          writer.string(memberId).nullableString(null).tags(),
        )
        writer.tags()
      },
      decode: (reader) => {
        reader.int32()
        return reader.int16()
      },
    },
  )
}
