import { electLeaders } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * ElectLeaders (key 43), versions 0 to 2; the rules are in `@fairlead/metadata`.
 *
 * v1  the type of election, and a top-level error (KIP-460)
 * v2  flexible
 */
export function handleElectLeaders(
  request: RequestOf<'ElectLeaders'>,
  { image }: HandlerContext,
): ResponseBody<'ElectLeaders'> {
  return electLeaders(image, request)
}
