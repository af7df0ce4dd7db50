import { nodeKey, nodeName } from '../shared/azure/names.ts';
import type { Deps } from '../shared/deps.ts';
import { ApiError } from '../shared/errors.ts';
import { type Route, route } from '../shared/http.ts';
import { nodeReportSchema } from '../shared/node/report.ts';
import { desiredNode } from '../shared/nodes.ts';
import { fleetOf } from '../shared/scaling/fleet.ts';
import { listOutputs } from '../shared/store/inventory.ts';
import { findJumpServer } from '../shared/store/jumpServers.ts';
import { listNodes } from '../shared/store/nodes.ts';
import { putReport } from '../shared/store/reports.ts';

export const nodeRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'Nodes_Report',
      summary: "A node's agent says how it is and learns what it should be. Only that node's own identity may call.",
      method: 'POST',
      path: '/jump-servers/{name}/nodes/{node}/report',
      role: 'node',
      body: nodeReportSchema,
      maxBodyBytes: 16 * 1024,
      responses: { 200: { description: 'The desired state.' }, 503: { description: 'Not known yet: report again.' } },
    },
    async ({ params, body, caller }) => {
      const [server, outputs, recorded] = await Promise.all([
        findJumpServer(deps.tables, params.name),
        listOutputs(deps.tables, params.name),
        listNodes(deps.tables, params.name),
      ]);
      const fleet = server === undefined ? [] : fleetOf(server.spec, recorded, deps.now());
      const node = fleet.find(({ number }) => nodeName(params.name, number) === params.node);
      const identity = node && outputs[nodeKey(node.number, 'virtualMachine')]?.principalId;
      // One answer for "no such node" and "not yours": a node learns nothing about others.
      if (server === undefined || identity === undefined || identity !== caller.objectId) {
        throw new ApiError(
          403,
          'NotThisNode',
          `This identity is not that of node '${params.node}' of '${params.name}'.`,
        );
      }
      await putReport(deps.tables, params.name, { node: params.node, report: body, receivedAt: deps.now() });
      const desired = desiredNode(params.name, server.spec, fleet, outputs, params.node);
      if (desired === undefined) {
        throw new ApiError(503, 'NotReadyYet', 'The jump server is still being made. Report again.', {
          headers: { 'Retry-After': '2' },
        });
      }
      const reportEverySeconds = Math.min(desired.reportEverySeconds, deps.config.MOLCAJETE_REPORT_SECONDS);
      return { body: { ...desired, reportEverySeconds } };
    },
  ),
];
