import type pg from 'pg';
import { jobGrantsTo } from './job-schema.ts';

/** The program reads all, and writes only through the functions made for it. */
const CALLABLE = [
  // The forms that processes of an older version call come first.
  'place_orders(json)',
  'leave_suspended_suppliers(int)',
  'keep_callback(recorded_move)',
  'find_submission(bigint, bigint, smallint, text)',
  'place_orders(placement[])',
  'claim_orders(int, json)',
  'claim_order(bigint, bigint)',
  'leave_suspended_suppliers(int, text)',
  'recall_far_orders(int)',
  'recall_from_suspended_suppliers(timestamptz)',
  'record_moves(json)',
  'cancel_order(bigint, bigint)',
  'find_submissions(bigint[], bigint[], smallint[], text[])',
  'keep_stray_callback(recorded_move, json)',
  'find_stray_callbacks(bigint, int)',
  'forget_stray_callbacks(bigint[], int)',
  'number_events(int)',
  'remove_feed_positions(bigint, int)',
  'set_notification_email(bigint, bigint, text)',
  'take_waiting_mail(int)',
  'set_order_milestones(bigint)',
  'set_wallet_milestones(bigint, bigint)',
  'ask_about_order(bigint, bigint)',
  'open_token_family(bigint, text, uuid, uuid, interval)',
  'rotate_token_family(bigint, uuid, uuid, uuid, interval)',
  'end_tokens(bigint)',
  'take_tokens(json)',
  'give_tokens_back(bigint, text, text, int)',
];

/** What operators may do, where their roles are: one proposes, another approves. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  topup_clerk: [
    'propose_action(text, bigint, text, bigint, text, text, text, int, bigint, numeric, text)',
    'refuse_action(bigint, bigint)',
  ],
  topup_approver: ['approve_action(bigint, bigint)', 'refuse_action(bigint, bigint)'],
};

async function grantToOperators(client: pg.Client): Promise<void> {
  for (const [name, callables] of Object.entries(OPERATORS)) {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [name]);
    if (rowCount === 0) continue;
    await client.query(`grant usage on schema public to ${name}`);
    await client.query(`grant select on operator_queue, operator_log to ${name}`);
    for (const callable of callables) {
      await client.query(`grant execute on function ${callable} to ${name}`);
    }
  }
}

// What others keep in our schema, as extensions do, is not ours to give or take.
const OWN = `select
  (select string_agg(p.oid::regprocedure::text, ', ') from pg_proc p
    where p.pronamespace = 'public'::regnamespace and pg_has_role(p.proowner, 'usage')
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass
        and d.objid = p.oid and d.deptype = 'e')) as routines,
  (select string_agg(c.oid::regclass::text, ', ') from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
      and pg_has_role(c.relowner, 'usage')
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
        and d.objid = c.oid and d.deptype = 'e')) as tables`;

/** Lists, null where there is none. */
interface Owned {
  readonly routines: string | null;
  readonly tables: string | null;
}

/**
 * Gives the program's role, and the operators' where they are, what they need of what the
 * migrations made, and nobody else anything; in one transaction.
 * @throws with the code 42501 where the connection's role owns nothing of it
 */
export async function grant(client: pg.Client, programRole: string): Promise<void> {
  const role = client.escapeIdentifier(programRole);
  await client.query('begin');
  const { rows: [own] } = await client.query<Owned>(OWN);
  if (own === undefined || own.routines === null || own.tables === null) {
    throw Object.assign(new Error('it owns nothing there'), { code: '42501' });
  }
  await client.query(`revoke execute on routine ${own.routines} from public`);
  await client.query(`grant usage on schema public to ${role}`);
  await client.query(`grant select on ${own.tables} to ${role}`);
  for (const callable of CALLABLE) {
    await client.query(`grant execute on function ${callable} to ${role}`);
  }
  await client.query(jobGrantsTo(role));
  await grantToOperators(client);
  await client.query('commit');
}
