import type { ProjectionStack } from '../support/projection-stack.ts'

const ADVISORY_LOCK = 4_711

/** Lets a rebuild go on that waits for a lock of a test. */
export type Release = () => Promise<void>

/** Statements of the tags in `public.blocked` wait for an advisory lock before they begin. */
export async function installBlocks(stack: ProjectionStack): Promise<void> {
  await stack.pool.query(`
    create table public.blocked (tag text);
    create function public.wait_while_blocked() returns event_trigger language plpgsql as $$
    begin
      if exists (select from public.blocked where tag = tg_tag) then
        perform pg_advisory_xact_lock_shared(${ADVISORY_LOCK});
      end if;
    end $$;
    create function public.wait_for_lock() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(${ADVISORY_LOCK});
      return new;
    end $$;
    create function public.wait_behind_checkpoints() returns trigger language plpgsql as $$
    begin
      if exists (select from evt.checkpoint where version = new.version
          and xmin <> pg_current_xact_id()::xid) then
        perform pg_advisory_xact_lock_shared(${ADVISORY_LOCK});
      end if;
      return new;
    end $$;
    create event trigger wait_while_blocked on ddl_command_start
      execute function public.wait_while_blocked()`)
}

export function blockStatement(tag: string) {
  return async (stack: ProjectionStack): Promise<Release> => {
    await stack.pool.query('insert into public.blocked values ($1)', [tag])
    const blocker = await stack.pool.connect()
    await blocker.query(`select pg_advisory_lock(${ADVISORY_LOCK})`)
    return async () => {
      await blocker.query(`delete from public.blocked; select pg_advisory_unlock(${ADVISORY_LOCK})`)
      blocker.release()
    }
  }
}

export async function isWaiting(stack: ProjectionStack): Promise<boolean> {
  const { rowCount } = await stack.pool.query(
    "select from pg_locks where locktype = 'advisory' and objid = $1 and not granted",
    [ADVISORY_LOCK],
  )
  return (rowCount ?? 0) > 0
}

/** The rows are copied, and the checkpoints behind them are about to be stored: nothing has committed. */
export async function blockCheckpoints(
  stack: ProjectionStack,
  version: number,
  { when }: { readonly when: 'always' | 'there are some' } = { when: 'always' },
): Promise<Release> {
  await stack.pool.query(`
    create trigger blocked before insert on evt.checkpoint for each row
      when (new.version = ${version}) execute function public.${
        when === 'always' ? 'wait_for_lock' : 'wait_behind_checkpoints'
      }()`)
  const blocker = await stack.pool.connect()
  await blocker.query(`select pg_advisory_lock(${ADVISORY_LOCK})`)
  return async () => {
    await blocker.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`)
    await blocker.query('drop trigger blocked on evt.checkpoint')
    blocker.release()
  }
}

/** A job is about to tell that it enters the phase, and waits until it has. */
export function blockPhase(phase: string) {
  return async (stack: ProjectionStack): Promise<Release> => {
    await stack.pool.query(`
      create trigger blocked before update on evt.projection_job for each row
        when (new.phase = '${phase}') execute function public.wait_for_lock()`)
    const blocker = await stack.pool.connect()
    await blocker.query(`select pg_advisory_lock(${ADVISORY_LOCK})`)
    return async () => {
      await blocker.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`)
      await blocker.query('drop trigger blocked on evt.projection_job')
      blocker.release()
    }
  }
}
