import type { Environment } from '../domain/api-key.ts';

export interface DemoApiKey {
  readonly clientId: number;
  readonly apiKey: string;
  readonly apiSecret: string;
}

/** Known to everybody: they open a demo on one's own machine and nothing else. */
export const DEMO_API_KEYS = [
  {
    clientId: 1,
    apiKey: 'tgk_sandbox_1_00000000000000d1',
    apiSecret: 'tgs_sandbox_c499944b087d241a082ef216a97b292246e1d5c90b5e279d6a8e492b',
  },
  {
    clientId: 2,
    apiKey: 'tgk_sandbox_2_00000000000000d2',
    apiSecret: 'tgs_sandbox_cb6fca1e6aae74d7292e0783eacb998460bb196dd07d00e08b617af7',
  },
  {
    clientId: 3,
    apiKey: 'tgk_sandbox_3_00000000000000d3',
    apiSecret: 'tgs_sandbox_d9cc00d97351d60266b2e75178c830a69f66bf8bcc0e28efe7fae399',
  },
] as const;

/** The same ones as keys of this environment, which refuses those of the other. */
export function demoApiKeysOf(environment: Environment): readonly DemoApiKey[] {
  const renamed = (text: string): string => text.replace('_sandbox_', `_${environment}_`);
  return DEMO_API_KEYS.map(({ clientId, apiKey, apiSecret }) => ({
    clientId, apiKey: renamed(apiKey), apiSecret: renamed(apiSecret),
  }));
}
