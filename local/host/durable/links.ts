import { durableSystemKey, type Keys } from '../http/keys.ts';

/** Where the public webhook of the extension is. */
export const webhookPath = '/runtime/webhooks/durabletask';

/** The management URLs of an instance. The placeholders in braces are part of them. */
export function instanceLinks(origin: string, id: string, hubName: string, keys: Keys): Record<string, string> {
  const query = `taskHub=${hubName}&connection=Storage&code=${keys.get('system', durableSystemKey)}`;
  const base = `${origin}${webhookPath}/instances/${id}`;
  return {
    id,
    statusQueryGetUri: `${base}?${query}`,
    sendEventPostUri: `${base}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${base}/terminate?reason={text}&${query}`,
    rewindPostUri: `${base}/rewind?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${base}?${query}`,
    restartPostUri: `${base}/restart?${query}`,
    suspendPostUri: `${base}/suspend?reason={text}&${query}`,
    resumePostUri: `${base}/resume?reason={text}&${query}`,
  };
}

/** The value of a `durableClient` input binding. `origin` is that of WEBSITE_HOSTNAME, not of any request. */
export function durableClientInput(origin: string, rpcOrigin: string, hubName: string, keys: Keys): string {
  const code = `code=${keys.get('system', durableSystemKey)}`;
  const create = `${origin}${webhookPath}/orchestrators/{functionName}[/{instanceId}]`;
  return JSON.stringify({
    taskHubName: hubName,
    connectionName: null,
    creationUrls: {
      createNewInstancePostUri: `${create}?${code}`,
      createAndWaitOnNewInstancePostUri: `${create}?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${code}`,
    },
    managementUrls: instanceLinks(origin, 'INSTANCEID', hubName, keys),
    baseUrl: `${origin}${webhookPath}`,
    requiredQueryStringParameters: code,
    rpcBaseUrl: `${rpcOrigin}/durabletask/`,
    httpBaseUrl: null,
    maxGrpcMessageSizeInBytes: null,
    grpcHttpClientTimeout: null,
  });
}
