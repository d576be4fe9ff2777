//! The ring against a list that drops its front.

use csi_temporal::window::{FrameWindow, WindowError};
use std::collections::VecDeque;

#[test]
fn a_window_holds_the_last_rows_oldest_first() {
    for (capacity, dim) in [(1, 1), (1, 3), (2, 1), (3, 2), (7, 4)] {
        let mut window = FrameWindow::new(capacity, dim).unwrap();
        let mut naive: VecDeque<Vec<f32>> = VecDeque::new();
        let mut copy = Vec::new();
        for pushed in 0..3 * capacity + 2 {
            let row: Vec<f32> = (0..dim).map(|i| (pushed * dim + i) as f32).collect();
            window.push(&row).unwrap();
            naive.push_back(row);
            if naive.len() > capacity {
                naive.pop_front();
            }
            assert!(window.rows().eq(naive.iter().map(Vec::as_slice)));
            window.copy_into(&mut copy);
            assert_eq!(copy, naive.iter().flatten().copied().collect::<Vec<_>>());
            assert_eq!(window.len(), naive.len());
            assert_eq!(window.is_full(), naive.len() == capacity);
        }
        window.clear();
        assert!(window.is_empty());
        assert_eq!(window.rows().count(), 0);
        window.push(&vec![9.0; dim]).unwrap();
        assert_eq!(window.rows().next(), Some(&vec![9.0; dim][..]));
    }
}

#[test]
fn wrong_sizes_are_refused() {
    for (capacity, dim) in [(0, 1), (1, 0), (usize::MAX, 2), (usize::MAX / 8, 1)] {
        let refusal = FrameWindow::new(capacity, dim).unwrap_err();
        assert_eq!(refusal, WindowError::Size { capacity, dim });
        assert_eq!(refusal.code(), "window/size");
    }
    let mut window = FrameWindow::new(2, 2).unwrap();
    window.push(&[1.0, 2.0]).unwrap();
    let refusal = window.push(&[1.0]).unwrap_err();
    assert_eq!(refusal, WindowError::RowLength { expected: 2, got: 1 });
    assert_eq!(window.rows().count(), 1, "the window is unchanged");
}
