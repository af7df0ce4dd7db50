// What an app gets for '@azure/functions-core'. The names are spelt out for Node's named imports of CommonJS from ESM.
const api = globalThis[Symbol.for('molcajete.functions-core')];
exports.version = api.version;
exports.hostVersion = api.hostVersion;
exports.registerFunction = api.registerFunction;
exports.registerHook = api.registerHook;
exports.setProgrammingModel = api.setProgrammingModel;
exports.getProgrammingModel = api.getProgrammingModel;
exports.log = api.log;
exports.Disposable = api.Disposable;
