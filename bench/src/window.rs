//! Attention over whole windows.

use std::rc::Rc;

use csi_temporal::attention::pattern::dense_edge_count;
use csi_temporal::attention::{Weighting, Workspace, dense, pyramid, salient, sparse};
use ruvllm_sparse_attention::{self as registry, AttentionBackend as _};

use crate::Subject;
use crate::inputs::{DIM, HEADS, Inputs, PATTERN, PYRAMID, SALIENT, SLOPES, upstream};

/// A pass over a window: what it works on, where its numbers go, and the call.
struct Window<W> {
    inputs: Rc<Inputs>,
    out: Vec<f32>,
    edges: usize,
    work: W,
}

impl<W: FnMut(&Inputs, &mut Vec<f32>)> Subject for Window<W> {
    fn run(&mut self) {
        (self.work)(&self.inputs, &mut self.out);
    }

    fn output(&self) -> &[f32] {
        &self.out
    }

    /// Two sums of DIM products for every head and edge.
    fn flops(&self) -> u64 {
        (self.edges * HEADS * 4 * DIM) as u64
    }
}

/// Makes the subject of this name, if it is one over windows.
///
/// `inputs` has as many key heads as query heads, `shared` one key head. Ours is called as a caller
/// does, checks and conversions included, upstream directly and on its own tensors.
pub fn make(name: &str, inputs: &Rc<Inputs>, shared: &Rc<Inputs>) -> Option<Box<dyn Subject>> {
    let seq = inputs.ours[0].seq();
    let (sparse_edges, dense_edges) = (PATTERN.edge_count(seq), dense_edge_count(seq, true));
    let kernel = upstream();
    let mut workspace = Workspace::new();
    Some(match name {
        "upstream-sparse" => boxed(inputs, sparse_edges, move |inputs, out| {
            let [q, k, v] = &inputs.theirs;
            *out = kernel.forward(q, k, v).expect("valid input").data;
        }),
        "upstream-gqa" => boxed(shared, sparse_edges, move |inputs, out| {
            let [q, k, v] = &inputs.theirs;
            *out = kernel.forward_gqa(q, k, v).expect("valid input").data;
        }),
        "upstream-dense" => boxed(inputs, dense_edges, |inputs, out| {
            let [q, k, v] = &inputs.theirs;
            *out = registry::dense_attention(q, k, v, true).expect("valid input").data;
        }),
        "sparse-fresh" => boxed(inputs, sparse_edges, |inputs, out| {
            let forward = sparse::forward(&inputs.view(&[]), &PATTERN, Weighting::Plain);
            *out = forward.expect("valid input").into_vec();
        }),
        "sparse" | "gqa" | "sparse-slopes" | "sparse-ln" => {
            let inputs = if name == "gqa" { shared } else { inputs };
            let slopes: &[f32] = if name == "sparse-slopes" { &SLOPES } else { &[] };
            let weighting = if name == "sparse-ln" { Weighting::LnCount } else { Weighting::Plain };
            boxed(inputs, sparse_edges, move |inputs, out| {
                let view = inputs.view(slopes);
                sparse::forward_into(&view, &PATTERN, weighting, &mut workspace, out)
                    .expect("valid input");
            })
        }
        "pyramid" => boxed(inputs, PYRAMID.edge_count(seq), move |inputs, out| {
            pyramid::forward_into(&inputs.view(&[]), &PYRAMID, &mut workspace, out)
                .expect("valid input");
        }),
        "salient" => boxed(inputs, SALIENT.edge_count(seq), |inputs, out| {
            *out = salient::forward(&inputs.view(&[]), &SALIENT).expect("valid input").into_vec();
        }),
        "dense" | "dense-slopes" => {
            let slopes: &[f32] = if name == "dense" { &[] } else { &SLOPES };
            boxed(inputs, dense_edges, move |inputs, out| {
                dense::forward_into(&inputs.view(slopes), true, &mut workspace, out)
                    .expect("valid input");
            })
        }
        _ => return None,
    })
}

fn boxed(
    inputs: &Rc<Inputs>,
    edges: usize,
    work: impl FnMut(&Inputs, &mut Vec<f32>) + 'static,
) -> Box<dyn Subject> {
    let out = vec![0.0; inputs.ours[0].data().len()];
    Box::new(Window { inputs: Rc::clone(inputs), out, edges, work })
}
