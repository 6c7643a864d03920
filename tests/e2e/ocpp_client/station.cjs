// One charging session by the npm package ocpp-rpc in strict mode. Prints what it saw as one JSON object.
// usage: node station.cjs ENDPOINT IDENTITY PASSWORD VERSION SCHEMA_FOLDER   (NODE_PATH names the installed packages)
const fs = require('fs');
const path = require('path');
const { RPCClient, createValidator } = require('ocpp-rpc');

const [endpoint, identity, password, version, folder] = process.argv.slice(2);
const AT = '2026-03-01T12:00:00Z';
const seen = { asked: [], answers: {} };

// The strict mode for 2.1 is broken as published (ids of its schemas), so the schemas are loaded here.
function validator21() {
    const schemas = fs.readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => {
        const schema = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8').replace(/^\uFEFF/, ''));
        delete schema.$schema;
        const stem = name.slice(0, -'.json'.length);
        const action = stem.replace(/(Request|Response)$/, '');
        schema.$id = `urn:${action}.${stem.endsWith('Response') ? 'conf' : 'req'}`;
        return schema;
    });
    return createValidator('ocpp2.1', schemas);
}

const client = new RPCClient({
    endpoint, identity, password,
    protocols: [`ocpp${version}`],
    strictMode: true,
    strictModeValidators: version === '2.1' ? [validator21()] : [],
    reconnect: false,
    callTimeoutMs: 10000,
});

const waiting = new Map();
const asked = (method) => seen.asked.some((item) => item.method === method) ? Promise.resolve()
    : new Promise((resolve) => waiting.set(method, resolve));
function handle(method, answer) {
    client.handle(method, ({ params }) => {
        seen.asked.push({ method, params });
        setImmediate(() => waiting.get(method)?.());
        return typeof answer === 'function' ? answer(params) : answer;
    });
}
const accepted = { status: 'Accepted' };
for (const method of ['SetChargingProfile', 'ClearChargingProfile', 'UpdateDynamicSchedule', 'TriggerMessage',
    'RequestStopTransaction', 'RemoteStopTransaction', 'AFRRSignal', 'NotifyAllowedEnergyTransfer']) handle(method, accepted);
handle('GetConfiguration', {
    configurationKey: [{ key: 'ChargingScheduleAllowedChargingRateUnit', readonly: true, value: 'Current,Power' }],
});
const abilities = {
    RateUnit: 'A,W', SupportsDynamicProfiles: 'true', Enabled: 'true',
    SupportedOperationModes: 'ChargingOnly,CentralSetpoint,CentralFrequency',
};
handle('GetVariables', ({ getVariableData }) => ({
    getVariableResult: getVariableData.map(({ component, variable }) => variable.name in abilities
        ? { component, variable, attributeStatus: 'Accepted', attributeValue: abilities[variable.name] }
        : { component, variable, attributeStatus: 'UnknownVariable' }),
}));

async function call(method, params) {
    const answer = await client.call(method, params);
    (seen.answers[method] ??= []).push(answer);
    return answer;
}

async function session16() {
    await call('BootNotification', { chargePointVendor: 'npm', chargePointModel: 'ocpp-rpc' });
    await asked('GetConfiguration');
    await call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Preparing', timestamp: AT });
    await call('Authorize', { idTag: 'TAG' });
    const { transactionId } = await call('StartTransaction', {
        connectorId: 1, idTag: 'TAG', meterStart: 1000, timestamp: AT,
    });
    await asked('SetChargingProfile');
    await call('MeterValues', {
        connectorId: 1, transactionId,
        meterValue: [{ timestamp: AT, sampledValue: [{ value: '-3000', measurand: 'Power.Active.Import', unit: 'W' }] }],
    });
    await asked('RemoteStopTransaction');
    await call('StopTransaction', { transactionId, meterStop: 900, timestamp: AT, reason: 'Remote' });
}

async function session2x() {
    const transaction = (eventType, seqNo, triggerReason, more) => call('TransactionEvent', {
        eventType, seqNo, triggerReason, timestamp: AT, evse: { id: 1, connectorId: 1 },
        transactionInfo: { transactionId: 'tx-npm', chargingState: 'Charging' }, ...more,
    });
    const idToken = { idToken: 'TAG', type: 'Central' };
    await call('BootNotification', { reason: 'PowerUp', chargingStation: { vendorName: 'npm', model: 'ocpp-rpc' } });
    await asked('GetVariables');
    await call('StatusNotification', { timestamp: AT, connectorStatus: 'Occupied', evseId: 1, connectorId: 1 });
    await call('Authorize', { idToken });
    await transaction('Started', 0, 'Authorized', { idToken });
    const dc = { evMaxCurrent: 32, evMaxVoltage: 400, stateOfCharge: 60, evEnergyCapacity: 62000 };
    const v2x = { maxChargePower: 11000, maxDischargePower: 10000, evTargetEnergyRequest: 20000 };
    await call('NotifyEVChargingNeeds', {
        evseId: 1,
        chargingNeeds: version === '2.1'
            ? { requestedEnergyTransfer: 'DC_BPT', controlMode: 'DynamicControl', dcChargingParameters: dc,
                v2xChargingParameters: v2x }
            : { requestedEnergyTransfer: 'DC', dcChargingParameters: dc },
    });
    await asked('SetChargingProfile');
    if (version === '2.1') {
        await asked('UpdateDynamicSchedule');
        client.sendRaw(JSON.stringify([6, 'stream-1', 'NotifyPeriodicEventStream',
            { id: 1, pending: 0, basetime: AT, data: [{ t: 0, v: '49.98' }] }]));
    }
    await transaction('Updated', 1, 'MeterValuePeriodic', {
        meterValue: [{ timestamp: AT, sampledValue: [
            { value: 3000, measurand: 'Power.Active.Export', unitOfMeasure: { unit: 'W' } },
            { value: 1200.5, measurand: 'Energy.Active.Import.Register', unitOfMeasure: { unit: 'Wh' } },
        ] }],
    });
    await asked('RequestStopTransaction');
    await transaction('Ended', 2, 'RemoteStop', {});
}

(async () => {
    await client.connect();
    await (version === '1.6' ? session16() : session2x());
    await client.close();
    console.log(JSON.stringify(seen));
})().catch((error) => {
    console.error(error, JSON.stringify(seen));
    process.exit(1);
});
