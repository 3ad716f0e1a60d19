// Written by `npm run persist`; do not edit.

/** SHA-256 of each operation, by its name: what is sent instead of its text. */
export const persisted: Readonly<Record<string, string>> = {
  BeginningOf: '50854e6c40e96aee14be916f90649c19dcecc324e8277d80e3340e7c801fba4c',
  MeasurementsPage: '488086cbda1ed25f00ce493d56cb275de614b77e4b63e5cb88ec96efbdf2da71',
  OverviewAgain: 'b4f4301fe336cdf7f3a59f8b4986e880d9beecefe9f956726685417ce6bb91ea',
  OverviewPage: 'd337f6744a9d54bea40aa5bde701fb741b74a47a4b82f7f28dae73c2469edbc2',
  RacksPage: 'a595f04e10982dce5d3a83fb714373ccefbd8f37746cf1fb7d7e82069aaf2742',
  ReadingsLive: '0de509b8da69c7d9ed34092bb0f63c3ae894197968f3a23dc9f3ffc410824332',
  RoomPage: '1d3cbd62fcbb3ed6715ef59cfbd2b9998bd2d34d6f4497add6aab3406bea2e98',
  SensorOne: '023c85d53ad0f170c0d0832573cd32485534ecb66618b6f7e44ba9d4da3f9240',
  SensorPage: 'c6e8fe0ee21d5988bb0c69e7ec9ff64a7bd52b9e8aa2ba63acaba1b6a1faa0fd',
  SensorSearch: '538fab1f571ccc7daffeb403914368f1b6b153e8b6bb68bec453ae1bdb392eef',
  SensorsNamed: '95c41b61d07d30b9847afb38c52b8db2782834850987990d6625913c06c40938',
  SeriesOf: '8209ba90a9f029eb6c4592da74b311a6c0ef8fc8c710742890d5236ff502edac',
  SparksOf: '8f3b0043f4b97670c8b8273ea86d43c82367346f4c51ff3f0558f2c45c0dc6e7',
  StatisticsOf: '514b5e48194970c37de683efa75229158abd3f12f3c440b6843b3948fcf699da',
  TreeLive: '1e9440393f00521fda6915efee6ab6e2733e77b23776a8f74d437b21be7b0536',
  TreeOnce: '9a735c6b94f24e3932e3bd15345acd275bb7b6477fec7f94ec4fe1f375379a23',
};
