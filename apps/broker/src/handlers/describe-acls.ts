import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { NO_AUTHORIZER } from './no-authorizer.ts'

/**
 * DescribeAcls (key 29), versions 1 to 3: there is no authorizer, and the answer says so, as Kafka's
 * does without one.
 *
 * v1  patterns of resource names (KIP-290)
 * v2  flexible
 */
export function handleDescribeAcls(
  _request: RequestOf<'DescribeAcls'>,
): ResponseBody<'DescribeAcls'> {
  return { ...NO_AUTHORIZER, resources: [] }
}
