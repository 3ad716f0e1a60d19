// Written by `npm run persist`; do not edit.

/** SHA-256 of each operation, by its name: what is sent instead of its text. */
export const persisted: Readonly<Record<string, string>> = {
  BeginningOf: '50854e6c40e96aee14be916f90649c19dcecc324e8277d80e3340e7c801fba4c',
  ConfirmEmail: 'ab34d05ba54e78c4ed659cb8fb338d080a0951b639e431643a32244606bd3120',
  Decide: '72da09037eb74482b79da1551aa3cd0e71b187bfbf53d162c51b615e99f20071',
  LogIn: 'baea965e99dde6af2405065b84c365d2c8437f3f8ff3eedce52fd5024938550e',
  LogOut: '71095836b22b973df67ad125d68db5af003cbe4bac473e631e9b3055139d474c',
  MeasurementsPage: '488086cbda1ed25f00ce493d56cb275de614b77e4b63e5cb88ec96efbdf2da71',
  OverviewAgain: 'b4f4301fe336cdf7f3a59f8b4986e880d9beecefe9f956726685417ce6bb91ea',
  OverviewPage: 'd337f6744a9d54bea40aa5bde701fb741b74a47a4b82f7f28dae73c2469edbc2',
  RacksPage: 'a595f04e10982dce5d3a83fb714373ccefbd8f37746cf1fb7d7e82069aaf2742',
  ReadingsLive: '0de509b8da69c7d9ed34092bb0f63c3ae894197968f3a23dc9f3ffc410824332',
  RequestReset: '20d8db607264774bdf0833587f8d5f5793a9a77ae1d245bb81242e4f28c5d816',
  ResetPassword: '825e720738a7d4a3caf4326f72d60e3216ade95df950047bcfd1c8343e7206fe',
  RoomPage: '1d3cbd62fcbb3ed6715ef59cfbd2b9998bd2d34d6f4497add6aab3406bea2e98',
  SensorOne: '023c85d53ad0f170c0d0832573cd32485534ecb66618b6f7e44ba9d4da3f9240',
  SensorPage: 'c6e8fe0ee21d5988bb0c69e7ec9ff64a7bd52b9e8aa2ba63acaba1b6a1faa0fd',
  SensorSearch: '538fab1f571ccc7daffeb403914368f1b6b153e8b6bb68bec453ae1bdb392eef',
  SensorsNamed: '95c41b61d07d30b9847afb38c52b8db2782834850987990d6625913c06c40938',
  SeriesOf: '8209ba90a9f029eb6c4592da74b311a6c0ef8fc8c710742890d5236ff502edac',
  SignUp: 'e68746bd8941ae03b1a2fc2079f29db0aaf761ff1b103b0d60a141def108e48a',
  SparksOf: '8f3b0043f4b97670c8b8273ea86d43c82367346f4c51ff3f0558f2c45c0dc6e7',
  StatisticsOf: '514b5e48194970c37de683efa75229158abd3f12f3c440b6843b3948fcf699da',
  TreeLive: '1e9440393f00521fda6915efee6ab6e2733e77b23776a8f74d437b21be7b0536',
  TreeOnce: '9a735c6b94f24e3932e3bd15345acd275bb7b6477fec7f94ec4fe1f375379a23',
};
