/** What a parameter may hold; a list names the choices that Guacamole offers. */
export type ParameterForm =
  | 'TEXT'
  | 'NUMERIC'
  | 'BOOLEAN'
  | 'MULTILINE'
  | 'USERNAME'
  | 'PASSWORD'
  | 'TIMEZONE'
  | 'TERMINAL_COLOR_SCHEME'
  | readonly string[];

type ParameterGroup = Readonly<Record<string, ParameterForm>>;

export interface Protocol {
  /** Groups as in Guacamole's own forms. */
  groups: Readonly<Record<string, ParameterGroup>>;
  /** Parameters that a sharing profile of such a connection may set. */
  sharing: readonly string[];
}

const fontSizes = ['8', '9', '10', '11', '12', '14', '18', '24', '30', '36', '48', '60', '72', '96'];
const bufferSizes = ['262144', '1048576', '10485760'];
const colorDepths = ['8', '16', '24', '32'];
const largeBufferSizes = ['262144', '1048576', '10485760', '52428800'];
const levels = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

const terminalDisplay: ParameterGroup = {
  'color-scheme': 'TERMINAL_COLOR_SCHEME',
  'font-name': 'TEXT',
  'font-size': fontSizes,
  scrollback: 'NUMERIC',
  'read-only': 'BOOLEAN',
};

const terminalClipboard: ParameterGroup = {
  'clipboard-buffer-size': bufferSizes,
  'disable-copy': 'BOOLEAN',
  'disable-paste': 'BOOLEAN',
};

const terminalBehavior: ParameterGroup = {
  backspace: ['127', '8'],
  'func-keys-and-keypad': ['esc', 'vt100'],
  'terminal-type': ['xterm', 'xterm-256color', 'vt220', 'vt100', 'ansi', 'linux'],
};

const typescript: ParameterGroup = {
  'typescript-path': 'TEXT',
  'typescript-name': 'TEXT',
  'create-typescript-path': 'BOOLEAN',
  'typescript-write-existing': 'BOOLEAN',
};

const recording: ParameterGroup = {
  'recording-path': 'TEXT',
  'recording-name': 'TEXT',
  'recording-exclude-output': 'BOOLEAN',
  'recording-exclude-mouse': 'BOOLEAN',
  'recording-include-keys': 'BOOLEAN',
  'recording-include-clipboard': 'BOOLEAN',
  'create-recording-path': 'BOOLEAN',
  'recording-write-existing': 'BOOLEAN',
};

const network: ParameterGroup = {
  hostname: 'TEXT',
  port: 'NUMERIC',
  timeout: 'NUMERIC',
};

const sftp: ParameterGroup = {
  'enable-sftp': 'BOOLEAN',
  'sftp-hostname': 'TEXT',
  'sftp-port': 'NUMERIC',
  'sftp-timeout': 'NUMERIC',
  'sftp-host-key': 'TEXT',
  'sftp-username': 'USERNAME',
  'sftp-password': 'PASSWORD',
  'sftp-private-key': 'MULTILINE',
  'sftp-passphrase': 'PASSWORD',
  'sftp-public-key': 'MULTILINE',
  'sftp-root-directory': 'TEXT',
  'sftp-directory': 'TEXT',
  'sftp-server-alive-interval': 'NUMERIC',
  'sftp-disable-download': 'BOOLEAN',
  'sftp-disable-upload': 'BOOLEAN',
};

const wakeOnLan: ParameterGroup = {
  'wol-send-packet': 'BOOLEAN',
  'wol-mac-addr': 'TEXT',
  'wol-broadcast-addr': 'TEXT',
  'wol-udp-port': 'NUMERIC',
  'wol-wait-time': 'NUMERIC',
};

/** The protocols of Guacamole 1.6 and every parameter that each of them knows. */
export const protocols: Readonly<Record<string, Protocol>> = {
  kubernetes: {
    groups: {
      network: {
        hostname: 'TEXT',
        port: 'NUMERIC',
        'use-ssl': 'BOOLEAN',
        'ignore-cert': 'BOOLEAN',
        'ca-cert': 'MULTILINE',
      },
      container: {
        namespace: 'TEXT',
        pod: 'TEXT',
        container: 'TEXT',
        'exec-command': 'TEXT',
      },
      authentication: {
        'client-cert': 'MULTILINE',
        'client-key': 'MULTILINE',
      },
      display: terminalDisplay,
      clipboard: terminalClipboard,
      behavior: terminalBehavior,
      typescript,
      recording,
    },
    sharing: ['read-only'],
  },
  rdp: {
    groups: {
      network,
      authentication: {
        username: 'USERNAME',
        password: 'PASSWORD',
        domain: 'TEXT',
        security: ['any', 'nla', 'rdp', 'tls', 'vmconnect'],
        'disable-auth': 'BOOLEAN',
        'ignore-cert': 'BOOLEAN',
        'cert-tofu': 'BOOLEAN',
        'cert-fingerprints': 'TEXT',
      },
      gateway: {
        'gateway-hostname': 'TEXT',
        'gateway-port': 'NUMERIC',
        'gateway-username': 'USERNAME',
        'gateway-password': 'PASSWORD',
        'gateway-domain': 'TEXT',
      },
      'basic-parameters': {
        'initial-program': 'TEXT',
        'client-name': 'TEXT',
        'server-layout': [
          'cs-cz-qwertz',
          'de-ch-qwertz',
          'de-de-qwertz',
          'en-gb-qwerty',
          'en-us-qwerty',
          'es-es-qwerty',
          'es-latam-qwerty',
          'fr-be-azerty',
          'fr-fr-azerty',
          'fr-ca-qwerty',
          'fr-ch-qwertz',
          'hu-hu-qwertz',
          'it-it-qwerty',
          'ja-jp-qwerty',
          'no-no-qwerty',
          'pl-pl-qwerty',
          'pt-br-qwerty',
          'pt-pt-qwerty',
          'ro-ro-qwerty',
          'sv-se-qwerty',
          'da-dk-qwerty',
          'tr-tr-qwerty',
          'failsafe',
        ],
        timezone: 'TIMEZONE',
        'enable-touch': 'BOOLEAN',
        console: 'BOOLEAN',
      },
      display: {
        width: 'NUMERIC',
        height: 'NUMERIC',
        dpi: 'NUMERIC',
        'color-depth': colorDepths,
        'force-lossless': 'BOOLEAN',
        'resize-method': ['display-update', 'reconnect'],
        'read-only': 'BOOLEAN',
      },
      clipboard: {
        'normalize-clipboard': ['preserve', 'unix', 'windows'],
        'clipboard-buffer-size': largeBufferSizes,
        'disable-copy': 'BOOLEAN',
        'disable-paste': 'BOOLEAN',
      },
      'device-redirection': {
        'console-audio': 'BOOLEAN',
        'disable-audio': 'BOOLEAN',
        'enable-audio-input': 'BOOLEAN',
        'enable-printing': 'BOOLEAN',
        'printer-name': 'TEXT',
        'enable-drive': 'BOOLEAN',
        'drive-name': 'TEXT',
        'disable-download': 'BOOLEAN',
        'disable-upload': 'BOOLEAN',
        'drive-path': 'TEXT',
        'create-drive-path': 'BOOLEAN',
        'static-channels': 'TEXT',
      },
      performance: {
        'enable-wallpaper': 'BOOLEAN',
        'enable-theming': 'BOOLEAN',
        'enable-font-smoothing': 'BOOLEAN',
        'enable-full-window-drag': 'BOOLEAN',
        'enable-desktop-composition': 'BOOLEAN',
        'enable-menu-animations': 'BOOLEAN',
        'disable-bitmap-caching': 'BOOLEAN',
        'disable-offscreen-caching': 'BOOLEAN',
        'disable-glyph-caching': 'BOOLEAN',
        'disable-gfx': 'BOOLEAN',
      },
      remoteapp: {
        'remote-app': 'TEXT',
        'remote-app-dir': 'TEXT',
        'remote-app-args': 'TEXT',
      },
      'preconnection-pdu': {
        'preconnection-id': 'NUMERIC',
        'preconnection-blob': 'TEXT',
      },
      'load-balancing': {
        'load-balance-info': 'TEXT',
      },
      recording: {
        'recording-path': 'TEXT',
        'recording-name': 'TEXT',
        'recording-exclude-output': 'BOOLEAN',
        'recording-exclude-mouse': 'BOOLEAN',
        'recording-exclude-touch': 'BOOLEAN',
        'recording-include-keys': 'BOOLEAN',
        'recording-include-clipboard': 'BOOLEAN',
        'create-recording-path': 'BOOLEAN',
        'recording-write-existing': 'BOOLEAN',
      },
      sftp,
      wol: wakeOnLan,
    },
    sharing: ['read-only'],
  },
  ssh: {
    groups: {
      network: {
        hostname: 'TEXT',
        port: 'NUMERIC',
        'host-key': 'TEXT',
        timeout: 'NUMERIC',
      },
      authentication: {
        username: 'USERNAME',
        password: 'PASSWORD',
        'private-key': 'MULTILINE',
        passphrase: 'PASSWORD',
        'public-key': 'MULTILINE',
      },
      display: terminalDisplay,
      clipboard: terminalClipboard,
      session: {
        command: 'TEXT',
        locale: 'TEXT',
        timezone: 'TIMEZONE',
        'server-alive-interval': 'NUMERIC',
      },
      behavior: terminalBehavior,
      typescript,
      recording,
      sftp: {
        'enable-sftp': 'BOOLEAN',
        'sftp-root-directory': 'TEXT',
        'sftp-disable-download': 'BOOLEAN',
        'sftp-disable-upload': 'BOOLEAN',
      },
      wol: wakeOnLan,
    },
    sharing: ['read-only'],
  },
  telnet: {
    groups: {
      network,
      authentication: {
        username: 'USERNAME',
        password: 'PASSWORD',
        'username-regex': 'TEXT',
        'password-regex': 'TEXT',
        'login-success-regex': 'TEXT',
        'login-failure-regex': 'TEXT',
      },
      display: terminalDisplay,
      clipboard: terminalClipboard,
      behavior: terminalBehavior,
      typescript,
      recording,
      wol: wakeOnLan,
    },
    sharing: ['read-only'],
  },
  vnc: {
    groups: {
      network: {
        hostname: 'TEXT',
        port: 'NUMERIC',
      },
      authentication: {
        username: 'USERNAME',
        password: 'PASSWORD',
      },
      display: {
        'read-only': 'BOOLEAN',
        'disable-server-input': 'BOOLEAN',
        'disable-display-resize': 'BOOLEAN',
        'swap-red-blue': 'BOOLEAN',
        cursor: ['local', 'remote'],
        'color-depth': colorDepths,
        'force-lossless': 'BOOLEAN',
        'compress-level': levels,
        'quality-level': levels,
        encodings: 'TEXT',
      },
      clipboard: {
        'clipboard-buffer-size': largeBufferSizes,
        'clipboard-encoding': ['ISO8859-1', 'UTF-8', 'UTF-16', 'CP1252', 'MacRoman'],
        'disable-copy': 'BOOLEAN',
        'disable-paste': 'BOOLEAN',
      },
      repeater: {
        'dest-host': 'TEXT',
        'dest-port': 'NUMERIC',
      },
      recording,
      sftp,
      audio: {
        'enable-audio': 'BOOLEAN',
        'audio-servername': 'TEXT',
      },
      wol: wakeOnLan,
    },
    sharing: ['read-only'],
  },
};
