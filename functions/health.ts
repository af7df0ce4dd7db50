import { z } from 'zod';
import { type Route, route } from '../shared/http.ts';

export const healthRoutes = (): Route[] => [
  route(
    {
      operationId: 'Health_Get',
      summary: 'Answers while the control plane runs. The only call without a token.',
      method: 'GET',
      path: '/health',
      role: 'anonymous',
      responses: { 200: { description: 'It runs.', schema: z.object({ status: z.literal('ok') }) } },
    },
    async () => ({ body: { status: 'ok' } }),
  ),
];
