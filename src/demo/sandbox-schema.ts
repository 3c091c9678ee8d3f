import { withSingleConnection } from './single-connection.ts';

// Any number, the same in all processes: starts at the same time take turns.
const ADVISORY_LOCK = 7_215_390_431;

/** The other company's own books. No table of the gateway is named here. */
const SCHEMA = `
  create schema if not exists sandbox;

  create table if not exists sandbox.supplier_order (
    supplier_code text not null,
    reference text not null,
    sku text not null,
    recipient text not null,
    submit_count int not null,
    -- Steps already taken of those that sku and recipient prescribe; null while not accepted.
    step_count int,
    -- What a query is answered; null while not accepted.
    answer json,
    -- Waits to be released, whatever due_at says.
    is_held boolean not null,
    due_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    primary key (supplier_code, reference)
  ) with (fillfactor = 80);
  create index if not exists supplier_order_due on sandbox.supplier_order (due_at)
    where due_at is not null and not is_held;
  create index if not exists supplier_order_reference on sandbox.supplier_order (reference);

  create table if not exists sandbox.log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    kind text not null check (kind in ('SUBMIT', 'STATUS', 'CALLBACK')),
    supplier_code text not null,
    supplier_reference text not null,
    outcome text not null,
    effective boolean not null
  );
  create index if not exists log_reference on sandbox.log (supplier_reference, id);
  -- The recipient of an order receives the value at most once, whatever the program does.
  create unique index if not exists log_effective on sandbox.log (supplier_reference, supplier_code)
    where effective;

  create table if not exists sandbox.callback (
    event_id text primary key,
    supplier_code text not null,
    -- The exact bytes: every repeat has the same ones.
    body text not null,
    sends_left int not null,
    try_count int not null default 0,
    next_try_at timestamptz not null default clock_timestamp(),
    created_at timestamptz not null default clock_timestamp(),
    -- When the order's next step is due, from when this was taken; null where none waits for it.
    sequel_in_ms float8
  );
  -- Books of before: only where it is absent, as who alters a table waits for all its readers.
  do $$ begin
    if not exists (select from pg_attribute
      where attrelid = 'sandbox.callback'::regclass and attname = 'sequel_in_ms')
    then
      alter table sandbox.callback add column sequel_in_ms float8;
    end if;
  end $$;
  create index if not exists callback_due on sandbox.callback (next_try_at);

  -- What the mail catcher took, which is no supplier but no part of the gateway either.
  create table if not exists sandbox.mail (
    id bigint generated always as identity primary key,
    caught_at timestamptz not null default clock_timestamp(),
    recipient text not null,
    subject text not null,
    body_text text not null,
    body_html text not null,
    message_id text not null
  );

  create table if not exists sandbox.gateway (
    base_url text primary key,
    seen_at timestamptz not null default clock_timestamp()
  );`;

/**
 * Creates the schema of the sandbox supplier where it is absent, and grants the program's role
 * what it needs; the log can be read and appended to, nothing else.
 */
export async function createSandboxSchema(
  ownerDatabaseUrl: string,
  programRole: string,
): Promise<void> {
  await withSingleConnection(ownerDatabaseUrl, async (client) => {
    await client.query('begin');
    // Creating what is there already says so each time.
    await client.query('set local client_min_messages = warning');
    await client.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
    await client.query(SCHEMA);
    await client.query(grantsTo(client.escapeIdentifier(programRole)));
    await client.query('commit');
  });
}

/** What `createSandboxSchema` made last: whoever has read it has all that came before. */
const NEWEST = 'select sequel_in_ms from sandbox.callback limit 0';
/** No such schema, table or column, or none for this role, as PostgreSQL says it. */
const ABSENT: ReadonlySet<unknown> = new Set(['3F000', '42P01', '42703', '42501']);

/** Whether the schema is there, as this version makes it, for the role of the address. */
export async function hasSandboxSchema(databaseUrl: string): Promise<boolean> {
  return withSingleConnection(databaseUrl, async (client) => {
    try {
      await client.query(NEWEST);
      return true;
    } catch (error) {
      if (ABSENT.has((error as { readonly code?: unknown }).code)) return false;
      throw error;
    }
  });
}

function grantsTo(role: string): string {
  return `
    grant usage on schema sandbox to ${role};
    grant select, insert on sandbox.log to ${role};
    grant select, insert, update on sandbox.supplier_order to ${role};
    grant select, insert, update, delete on sandbox.callback, sandbox.gateway to ${role};
    grant select, insert, delete on sandbox.mail to ${role};`;
}
