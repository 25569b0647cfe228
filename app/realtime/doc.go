// Package realtime carries what happens in a room to the sockets of the people in it.
//
// It is a leaf: it imports nothing of ours, no HTTP framework and no WebSocket library. It builds the frames
// of RFC 6455 by hand, because one finished frame is then shared by every socket that wants it. It needs pgx
// only for the Listener. What a frame says (its JSON) is the caller's business, by way of Config.Encode.
//
// # Where the truth is
//
// The durable truth is a log of events per room in the database, numbered 1..n without a gap in commit order.
// A wake-up only says "this room may have newer rows"; it may come late, twice, or not at all. Signals (typing,
// presence, a turn's state, text as it streams) are not in the log: they are best effort and never replayed.
//
// # Invariants
//
//  1. A connection gets every event with seq > its start exactly once, in order, whatever the interleaving of
//     Join, Wake, Publish and Resume. Its position is one number (cursor.next), advanced under the
//     feed's lock by whoever holds Conn.writing, and every path (feed, replayed page) serves exactly that
//     number next.
//  2. A feed holds a window of consecutive seqs. It grows only at last+1. A hole, which only retention can
//     make, empties the window; each connection then finds out from the database whether it lost anything, and
//     is told so with a resync frame if it did.
//     An event that rewrote older ones (Event.Rewrites) empties it too, and voids every page that was read
//     before: what the log does not say any more is in no memory that a connection is still served from.
//  3. Nothing waits for a slow connection. Frames are shared, so a connection's queue is a position in its
//     room's feed, bounded by QueueFrames and QueueBytes. A connection whose write is stuck while the feed
//     has moved past it is closed with 4008 and resumes; one that is merely late replays from the database.
//  4. Replay has backpressure: a connection asks for its next page of history only when the last one is
//     written. Pages are aligned and shared, so that 500 who return at once cost a few queries.
//  5. A room has a goroutine only while it has local connections. A wake-up for any other room is a failed map
//     lookup. Of other rooms the hub keeps who is in them on other nodes (elsewhere), and forgets it with the
//     node: a node that was not heard of for Config.PresenceExpiry is gone.
//  6. Whoever joins in the middle of an answer gets its text so far, and the deltas from there on: both are
//     settled under the lock of the room's liveShard.
//  7. No failed read loses anything: reads are retried with backoff, and every Config.Poll the heads of all
//     active rooms are compared in one query.
//
// # Rooms of a connection
//
// A connection has a seat in each room that it follows: one for a room's socket, up to hundreds for a
// person's. A seat has the cursor and the encoding. Its room puts it into Conn.ready, and the writer serves the
// seats that are ready one after the other.
//
// # Life cycle, and who may close what
//
// The web handler owns the socket: it makes the Conn, joins it, reads from the socket until an error, and then
// calls Hub.Leave and Conn.Wait before it returns (the WebSocket library pools connections, so a writer that
// outlived its handler would write into somebody else's socket). The Conn owns the writing side: its goroutine
// writes everything, pongs and close frames too. In a room of several, what is new and short is written first by
// serveAll, which waits for no socket and leaves the rest to that goroutine. Anybody may call Conn.Close, any number of times; the first
// call wins. It sends a close frame and gives the peer a grace period; after it the hub cuts the TCP
// connection, which ends the handler's read. The hub closes connections that are slow or silent (4008) and, in
// Hub.Close, all of them (1001). Rooms end with their last connection; everything else ends in Hub.Close,
// which returns when no goroutine of the hub is left.
//
// Locks are taken in the order Conn.writing, liveShard.mu, Hub.mu, room.mu, feed.mu, Conn.mu; and
// elsewhere.mu after all of them. Callbacks in Config.Encode run under feed.mu: they must be quick and must not
// call the hub.
package realtime
