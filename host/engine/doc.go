// Package engine moves a run through its flow: a pure function from a run and
// an event to the run afterwards, the effects to perform and the steps to
// record. It does no I/O, has no clock and no randomness: times come with the
// event, and ids of effects are made from the run's id and its step.
//
// Compile a flow once and call [Program.Advance] for each event. The run that
// comes back is plain data and holds everything; where it stands says what to
// do next:
//
//   - Running: perform Pending, and come back with a [Result] that carries its
//     effect id. Not before Pending.NotBefore.
//   - Waiting: come back with a [Message] when one arrives.
//   - Done, Failed: it is over.
//
// Perform the effects in order, after run and effects are safe on disk where
// that matters. Advance never changes the run or the variables that it is
// given, but shares parts with them: treat all of them as immutable.
//
// The package must not know stores, plugins, channels or HTTP.
package engine
