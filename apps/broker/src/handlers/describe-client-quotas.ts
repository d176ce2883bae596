import { describeClientQuotas } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/** DescribeClientQuotas (key 48), versions 0 and 1; the rules are in `@fairlead/metadata`. */
export function handleDescribeClientQuotas(
  request: RequestOf<'DescribeClientQuotas'>,
  { image }: HandlerContext,
): ResponseBody<'DescribeClientQuotas'> {
  return describeClientQuotas(image.quotas, request)
}
