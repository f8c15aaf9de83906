//! The law of requests: whatever is sent, lost, sent twice or late, finished or forgotten, and
//! however often the server begins anew: no id is carried out twice, and *not done* means never.

use crate::input::Input;
use std::collections::BTreeMap;
use std::time::Duration;
use sureclock::request::{Answers, Begun, Reply, RequestId};
use sureclock::{Timescale, Timestamp};

/// A server and its clients by clocks that hold true time; what the bytes say happens. True if
/// something was carried out and something was not.
pub fn request(data: &[u8]) -> bool {
    let mut input = Input(data);
    let (keep, longest) =
        (Duration::from_nanos(input.number(3)), Duration::from_nanos(input.number(4)));
    let mut answers = Answers::<usize>::first_ever(Timescale::Utc, keep, longest);
    let (mut truth_ns, mut ids) = (1_i64 << 60, Vec::<RequestId>::new());
    let (mut done, mut never) = (BTreeMap::<usize, u32>::new(), Vec::new());
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let (act, which) = (input.number(1), input.number(1) as usize);
        let now = input.around(Timestamp::from_unix_nanos(truth_ns));
        match act % 8 {
            0 | 1 => truth_ns += input.number(4) as i64,
            2 => ids.extend(RequestId::new(&now, Duration::from_nanos(input.number(4))).ok()),
            3 => answers = Answers::new(&now, keep, longest),
            4 if !ids.is_empty() => {
                let at = which % ids.len();
                let known = answers.finish(&ids[at], at);
                assert!(!known || done.contains_key(&at), "finished what was never begun");
            }
            _ if !ids.is_empty() => {
                let at = which % ids.len();
                match answers.begin(&ids[at], &[], &now) {
                    Begun::New => {
                        assert!(!never.contains(&at), "it was said that it never would be");
                        assert!(
                            ids[at].expiry().interval().latest().as_unix_nanos() > truth_ns,
                            "begun after its end"
                        );
                        *done.entry(at).or_default() += 1;
                        assert_eq!(done[&at], 1, "carried out twice");
                    }
                    Begun::Known(Reply::NotDone(_)) => {
                        assert!(!done.contains_key(&at), "done, and said not to be");
                        never.push(at);
                    }
                    Begun::Known(Reply::Done(answer)) => {
                        assert_eq!(answer, at, "the answer of another one")
                    }
                    Begun::Known(Reply::AheadOfTime) => panic!("every clock is right here"),
                    Begun::Known(_) => {}
                }
            }
            _ => {}
        }
    }
    !done.is_empty() && !never.is_empty()
}

/// More are no more interesting, and slow.
const STEPS: usize = 80;
