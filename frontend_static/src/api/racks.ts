import { graphql } from './graphql';

export const RacksPage = graphql(`
  query RacksPage {
    racks {
      id
      units
      equipment {
        name
        type
        position
        wattmeters
      }
      probes {
        sensor
        sensorLabel
        side
        position
        servers
        celsius
        ageSeconds
      }
    }
  }
`);
