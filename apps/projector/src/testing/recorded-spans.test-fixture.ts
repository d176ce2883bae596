import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type ContextManager,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  context,
  trace,
} from '@opentelemetry/api'

export type Recorded = {
  readonly name: string
  readonly options: SpanOptions
  /** Of which it is a part; undefined in a trace of its own. */
  readonly parent: SpanContext | undefined
  readonly spanId: string
  readonly attributes: Record<string, unknown>
  readonly links: Link[]
  status: SpanStatus | undefined
  isEnded: boolean
}

/** What an SDK would export, as far as it is used. Until `forgetSpans`. */
export function recordSpans(): readonly Recorded[] {
  const recorded: Recorded[] = []
  const startSpan = (name: string, options: SpanOptions = {}, of = context.active()): Span => {
    const one: Recorded = {
      name,
      options,
      parent: options.root === true ? undefined : trace.getSpanContext(of),
      spanId: String(recorded.length + 1).padStart(16, '0'),
      attributes: { ...options.attributes },
      links: [],
      status: undefined,
      isEnded: false,
    }
    recorded.push(one)
    return spanOf(one)
  }
  const startActiveSpan = (): never => {
    throw new TypeError('not used')
  }
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan }) })
  context.setGlobalContextManager(new ContextInAsyncCalls())
  return recorded
}

export function forgetSpans(): void {
  trace.disable()
  context.disable()
}

function spanOf(one: Recorded): Span {
  const span: Span = {
    // Not sampled: the traces of these tests are looked for here alone.
    spanContext: () => ({ traceId: '1'.repeat(32), spanId: one.spanId, traceFlags: 0 }),
    setAttribute: (key, value) => {
      one.attributes[key] = value
      return span
    },
    setAttributes: () => span,
    addEvent: () => span,
    addLink: () => span,
    addLinks: (links) => {
      one.links.push(...links)
      return span
    },
    setStatus: (status) => {
      one.status = status
      return span
    },
    updateName: () => span,
    end: () => {
      one.isEnded = true
    },
    isRecording: () => true,
    recordException: () => undefined,
  }
  return span
}

/** As `@opentelemetry/context-async-hooks`. */
class ContextInAsyncCalls implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    of: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(of, () => work.call(thisArg, ...args))
  }

  bind<T>(_of: Context, target: T): T {
    return target
  }

  enable(): this {
    return this
  }

  disable(): this {
    this.#storage.disable()
    return this
  }
}
