import { graphql } from './graphql';

export const RoomPage = graphql(`
  query RoomPage {
    roomPlan {
      url
      aspect
    }
    roomMap {
      id
      name
      info
      location
      color
      x
      y
      sensors
    }
  }
`);
