import type { Dispatcher } from 'undici';
import { expect, test } from 'vitest';

import { exchange } from '../../src/outbound/supplier-http.ts';

const REQUEST = {
  origin: 'http://supplier.example', path: '/', method: 'POST', headers: {}, body: null,
  reset: false,
} as const;

test('a request that cannot be made was not sent', async () => {
  const dispatcher: Pick<Dispatcher, 'dispatch'> = {
    dispatch: () => { throw Object.assign(new Error('invalid'), { code: 'UND_ERR_INVALID_ARG' }); },
  };
  expect(await exchange(
    dispatcher as Dispatcher, REQUEST, new AbortController().signal, () => false,
  )).toEqual({ kind: 'NOT_SENT', reason: 'no connection (UND_ERR_INVALID_ARG)' });
});

test('a request is written once, though its connection would begin it again', async () => {
  const begun: string[] = [];
  const begin = (handler: Dispatcher.DispatchHandler, name: string): void => {
    try {
      handler.onRequestStart?.({} as Dispatcher.DispatchController, null);
      begun.push(name);
    } catch {
      // What is refused here is not written.
    }
  };
  const dispatcher: Pick<Dispatcher, 'dispatch'> = {
    dispatch(_options, handler) {
      begin(handler, 'on the first connection');
      begin(handler, 'on another one');
      handler.onResponseError?.({} as Dispatcher.DispatchController, new Error('reset'));
      return true;
    },
  };
  const told = await exchange(
    dispatcher as Dispatcher, REQUEST, new AbortController().signal, () => false,
  );
  expect(begun).toEqual(['on the first connection']);
  expect(told.kind).toBe('NO_ANSWER');
});
