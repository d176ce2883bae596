import { truncated } from '@fairlead/base'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'

const ERROR_MESSAGE_LENGTH_MAX = 1_000
const NOT_THERE = 'Attempt to describe a user credential that does not exist'
const NAMED_TWICE = 'Cannot describe SCRAM credentials for the same user twice in a single request'

/**
 * DescribeUserScramCredentials (key 50), version 0: nobody has any, as in a Kafka without users. It is
 * here because `kafka-configs --entity-type users` asks for them beside the quotas.
 */
export function handleDescribeUserScramCredentials({
  users,
}: RequestOf<'DescribeUserScramCredentials'>): ResponseBody<'DescribeUserScramCredentials'> {
  const names = (users ?? []).map(({ name }) => name)
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const name of names) (seen.has(name) ? repeated : seen).add(name)
  return {
    errorCode: 'NONE',
    errorMessage: null,
    results: Array.from(seen, (user) => {
      const isRepeated = repeated.has(user)
      const message = isRepeated ? NAMED_TWICE : NOT_THERE
      return {
        user,
        errorCode: isRepeated ? 'DUPLICATE_RESOURCE' : 'RESOURCE_NOT_FOUND',
        errorMessage: truncated(`${message}: ${user}`, ERROR_MESSAGE_LENGTH_MAX),
        credentialInfos: [],
      }
    }),
  }
}
