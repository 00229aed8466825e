// Package engine moves a session through its flows: a pure function from a
// session and an event to the session afterwards, the effects to perform and
// the steps to record. It does no I/O, has no clock and no randomness: times
// come with the event, and ids of effects and all chances are made from the
// session's id and its steps.
//
// Compile the flows once and call [Programs.Advance] for each event. A session
// is a tree of runs: the one that began it and, while that one calls another
// flow or has sub-runs, those. It is plain data and holds everything; what it
// needs next it says itself:
//
//   - [Session.Calls]: perform these, and come back with a [Result] for each,
//     in any order.
//   - [Session.Due]: come back with a Tick at this instant, which is over if
//     the session [Session.Paused], since an Advance does no more than so much.
//   - [Session.Listens]: come back with a [Message] when one arrives.
//   - [Session.Over]: nothing.
//
// Perform the effects in order, after session and effects are safe on disk
// where that matters. Advance never changes the session or the variables that
// it is given, but shares parts with them: treat all of them as immutable.
//
// The package must not know stores, plugins, channels or HTTP.
package engine
