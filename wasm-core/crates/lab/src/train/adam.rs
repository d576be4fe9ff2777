//! AdamW. Source: Loshchilov and Hutter 2019, arXiv:1711.05101.

/// Decay of the mean of gradients.
const BETA_1: f32 = 0.9;
/// Decay of the mean of their squares.
const BETA_2: f32 = 0.98;
/// Keeps a number that never moved from dividing by zero.
const EPSILON: f32 = 1e-8;

/// The optimiser's memory of a list of numbers.
#[derive(Clone, Debug)]
pub struct AdamW {
    first: Vec<f32>,
    second: Vec<f32>,
    /// `BETA^t`.
    powers: [f32; 2],
    /// 1 where weights decay.
    decays: Vec<f32>,
}

impl AdamW {
    /// Starts for as many numbers as `decays` has; 1 there means that a number decays.
    pub fn new(decays: Vec<f32>) -> Self {
        let zeros = vec![0.0; decays.len()];
        Self { first: zeros.clone(), second: zeros, powers: [1.0; 2], decays }
    }

    /// Moves `numbers` against `grad`, after shortening it to `clip`.
    pub fn step(&mut self, numbers: &mut [f32], grad: &[f32], rate: f32, decay: f32, clip: f32) {
        let squares = grad.iter().fold(0.0_f64, |sum, g| sum + f64::from(*g) * f64::from(*g));
        let length = libm::sqrt(squares) as f32;
        let shorten = if length > clip { clip / length } else { 1.0 };
        self.powers = [self.powers[0] * BETA_1, self.powers[1] * BETA_2];
        let [first_part, second_part] = self.powers.map(|power| 1.0 / (1.0 - power));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (((number, grad), (first, second)), decays) in
            numbers.iter_mut().zip(grad).zip(moments).zip(&self.decays)
        {
            let grad = grad * shorten;
            *first += (1.0 - BETA_1) * (grad - *first);
            *second += (1.0 - BETA_2) * (grad * grad - *second);
            let step = *first * first_part / (libm::sqrtf(*second * second_part) + EPSILON);
            *number -= rate * (step + decay * decays * *number);
        }
    }
}
